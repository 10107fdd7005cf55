// SPDX-License-Identifier: Apache-2.0
//! Reading what a producer in C++, in another process, publishes.

mod support;

use std::thread;

use strata::*;
use support::*;

/// The line that languages_producer prints of the same generation.
fn describe(snapshot: &Snapshot) -> Result<String, Error> {
    let quotes = snapshot.dimension_number("Quotes")?;
    let mut line = format!("{}:", snapshot.generation());
    for symbol in ["AAA", "BBB", "CCC"] {
        let quote = snapshot.get_name(quotes, symbol)?.value::<Quote>()?;
        line += &format!(" {symbol}={:.2}x{}", quote.price, quote.size);
    }
    let numbers: Vec<u64> = (0..1000).collect();
    let mut counters = vec![0_u64; 1000];
    assert_eq!(snapshot.gather_values(1, &numbers, &mut counters, None)?, 1000);
    let curve = snapshot.get_name(quotes, "curve")?.values::<f32>()?;
    assert_eq!(curve.len(), 10);
    let sum = counters.iter().sum::<u64>();
    line += &format!(" counters={sum} curve={:.2} text=", curve[0]);
    if let Some(joy) = snapshot.find(2, 5)? {
        assert_eq!(joy.info()?.frequency, 1.5);
        line += std::str::from_utf8(joy.bytes()).unwrap();
        for word in joy.keywords()? {
            line += &format!(" {}", std::str::from_utf8(word).unwrap());
        }
    } else {
        line += "none";
    }
    Ok(line)
}

#[test]
fn what_another_process_publishes_is_read() {
    let base = Base::new();
    let mut producer = match LiveProducer::start(&base) {
        Some(producer) => producer,
        None => return,
    };
    let consumer = base.attach();
    let mut expected = producer.line();
    for _ in 0..5 {
        let snapshot = consumer.snapshot().unwrap();
        assert_eq!(describe(&snapshot).unwrap(), expected);
        expected = thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let options = WaitOptions { timeout: Some(PATIENCE), ..Default::default() };
                consumer.wait(snapshot.generation(), options)
            });
            let next = producer.next();
            assert_eq!(waiter.join().unwrap().unwrap(), WaitResult::Changed);
            next
        });
    }
    assert_eq!(consumer.producer_pid().unwrap(), Some(producer.pid()));
    drop(producer); // killed
    let result = consumer.wait(consumer.generation(), WaitOptions::default()).unwrap();
    assert_eq!(result, WaitResult::ProducerGone);
    assert_eq!(consumer.producer_pid().unwrap(), None);
    let mut again = LiveProducer::start(&base).unwrap();
    assert_eq!(again.line(), describe(&consumer.snapshot().unwrap()).unwrap());
}
