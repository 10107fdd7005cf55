// SPDX-License-Identifier: Apache-2.0
//! Prints a line for every generation of the store that languages_producer publishes, until the
//! producer is gone: consumer STORE [BASE_PATH]

use std::time::Duration;

use strata::{Consumer, ConsumerOptions, Error, Shared, Snapshot, WaitOptions, WaitResult};

/// What the producer, in C++, calls by that name.
#[derive(Clone, Copy)]
#[repr(C)]
struct Quote {
    price: f64,
    size: u64,
}
// Safe: repr(C), no padding, and any bytes are a Quote.
unsafe impl Shared for Quote {
    const NAME: &'static str = "Quote";
}

fn line(snapshot: &Snapshot) -> Result<String, Error> {
    let quotes = snapshot.dimension_number("Quotes")?;
    let mut text = format!("{}:", snapshot.generation());
    for symbol in ["AAA", "BBB", "CCC"] {
        let quote = snapshot.get_name(quotes, symbol)?.value::<Quote>()?; // in place
        text += &format!(" {symbol}={:.2}x{}", quote.price, quote.size);
    }
    let numbers: Vec<u64> = (0..1000).collect();
    let mut counters = vec![0_u64; numbers.len()];
    snapshot.gather_values(1, &numbers, &mut counters, None)?; // one call
    let sum = counters.iter().sum::<u64>();
    let curve = snapshot.get_name(quotes, "curve")?.values::<f32>()?;
    text += &format!(" counters={sum} curve={:.2} text=", curve[0]);
    match snapshot.find(2, 5)? {
        None => text += "none",
        Some(joy) => {
            text += &String::from_utf8_lossy(joy.bytes());
            for word in joy.keywords()? {
                text += &format!(" {}", String::from_utf8_lossy(word));
            }
        }
    }
    Ok(text)
}

fn run(name: &str, base: Option<&String>) -> Result<(), Error> {
    let consumer = Consumer::attach(
        name,
        &ConsumerOptions {
            base_path: base.map(Into::into),
            wait_for_store: Duration::from_secs(60),
            ..Default::default()
        },
    )?;
    let mut seen = 1; // the empty store
    while consumer.wait(seen, WaitOptions::default())? == WaitResult::Changed {
        let snapshot = consumer.snapshot()?;
        seen = snapshot.generation();
        println!("{}", line(&snapshot)?);
    }
    Ok(())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.len() != 2 && arguments.len() != 3 {
        eprintln!("usage: consumer STORE [BASE_PATH]");
        std::process::exit(2);
    }
    if let Err(error) = run(&arguments[1], arguments.get(2)) {
        eprintln!("{error}");
        std::process::exit(1);
    }
}
