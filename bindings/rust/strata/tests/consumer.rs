// SPDX-License-Identifier: Apache-2.0
//! Attaching, snapshots, look-ups, waiting.

mod support;

use std::thread;
use std::time::Duration;

use strata::*;
use support::*;

fn populated(base: &Base) -> Producer {
    let producer = base.produce();
    publish(&producer, |batch| {
        for number in (0..1000).step_by(2) {
            batch.put(1, number, format!("{number:08}").as_bytes(), &plain()).unwrap();
        }
        batch.put(1, 1, b"odd", &plain()).unwrap();
        batch.put(2, 7, b"", &plain()).unwrap();
        let options = LayerOptions {
            frequency: 1.5,
            keywords: &["emotion", "", "é"],
            alignment: 4096,
            ..Default::default()
        };
        let number = batch.put_name(3, "joy", b"named", &options).unwrap();
        assert_eq!(number, layer_number("joy"));
        batch.name_dimension(3, "Names").unwrap();
    });
    producer
}

#[test]
fn layers_are_found_by_number_and_by_name() {
    let base = Base::new();
    let _producer = populated(&base);
    let snapshot = base.attach().snapshot().unwrap(); // it outlives its consumer
    assert_eq!(snapshot.get(1, 998).unwrap().bytes(), b"00000998");
    assert!(snapshot.find(1, 3).unwrap().is_none() && snapshot.find(9, 9).unwrap().is_none());
    assert_eq!(snapshot.get(1, 3).err().unwrap().code(), Code::LAYER_NOT_FOUND);
    assert_eq!(snapshot.get(9, 3).err().unwrap().code(), Code::DIMENSION_NOT_FOUND);
    assert_eq!(snapshot.get_name(3, "x").err().unwrap().code(), Code::LAYER_NOT_FOUND);
    assert!(snapshot.find_name(3, "x").unwrap().is_none());
    let joy = snapshot.find_name(3, "joy").unwrap().unwrap();
    let info = joy.info().unwrap();
    assert_eq!((info.id, info.name), (Id::new(3, layer_number("joy")), &b"joy"[..]));
    assert_eq!((info.generation, info.frequency, info.type_tag), (2, 1.5, 0));
    assert_eq!(joy.keywords().unwrap(), [&b"emotion"[..], b"", "é".as_bytes()]);
    assert_eq!(joy.bytes().as_ptr() as usize % 4096, 0);
    assert_eq!(joy.to_vec().unwrap(), b"named");
    joy.verify().unwrap();
    let mut part = [0; 3];
    joy.copy_to(2, &mut part).unwrap();
    assert_eq!(&part, b"med");
    assert_eq!(joy.copy_to(3, &mut part).err().unwrap().code(), Code::INVALID_ARGUMENT);
    assert!(snapshot.get(2, 7).unwrap().bytes().is_empty());
    assert!(snapshot.get(2, 7).unwrap().keywords().unwrap().is_empty());
}

#[test]
fn many_are_found_with_one_call() {
    let base = Base::new();
    let _producer = populated(&base);
    let snapshot = base.attach().snapshot().unwrap();
    let mut found = Vec::new();
    let ids = [Id::new(3, layer_number("joy")), Id::new(1, 3), Id::new(1, 4)];
    snapshot.find_many(&ids, &mut found).unwrap();
    let bytes: Vec<_> = found.iter().map(|found| found.get().map(|l| l.bytes())).collect();
    assert_eq!(bytes, [Some(&b"named"[..]), None, Some(b"00000004")]);
    let numbers: Vec<u64> = (500..800).collect(); // more than the library has on its way at once
    snapshot.find_in(1, &numbers, &mut found).unwrap();
    for (number, found) in numbers.iter().zip(&found) {
        assert_eq!(found.get().is_some(), number % 2 == 0);
    }
    snapshot.find_many(&[], &mut found).unwrap();
    assert!(found.is_empty());
}

#[test]
fn rows_are_gathered() {
    let base = Base::new();
    let _producer = populated(&base);
    let snapshot = base.attach().snapshot().unwrap();
    let numbers = [4, 3, 1, 6];
    let (mut rows, mut states) = ([b'x'; 32], [Gathered::ROW; 4]);
    assert_eq!(snapshot.gather(1, &numbers, &mut rows, Some(&mut states)).unwrap(), 2);
    assert_eq!(&rows[..8], b"00000004");
    assert_eq!((&rows[8..24], &rows[24..]), (&[0; 16][..], &b"00000006"[..]));
    assert_eq!(states, [Gathered::ROW, Gathered::NONE, Gathered::OTHER, Gathered::ROW]);
    assert_eq!(snapshot.gather(1, &[], &mut [], None).unwrap(), 0);
    for (size, states) in [(31, 4), (32, 3)] {
        let error = snapshot.gather(1, &numbers, &mut rows[..size], Some(&mut states_of(states)));
        assert_eq!(error.err().unwrap().code(), Code::INVALID_ARGUMENT);
    }
    let error = snapshot.gather_values(1, &numbers, &mut [0_u64; 3], None).err().unwrap();
    assert_eq!(error.code(), Code::INVALID_ARGUMENT);
}

fn states_of(count: usize) -> Vec<Gathered> {
    vec![Gathered::NONE; count]
}

#[test]
fn dimensions_are_listed_and_walked_through() {
    let base = Base::new();
    let _producer = populated(&base);
    let snapshot = base.attach().snapshot().unwrap();
    let all = snapshot.dimensions().unwrap();
    let names: Vec<_> = all.iter().map(|d| (d.dimension, d.name.as_str(), d.layers)).collect();
    assert_eq!(names, [(1, "D1", 501), (2, "D2", 1), (3, "Names", 1)]);
    assert_eq!(snapshot.dimension_number("Names").unwrap(), 3);
    assert_eq!(snapshot.dimension_number("x").err().unwrap().code(), Code::DIMENSION_NOT_FOUND);
    assert!(snapshot.has_dimension(1).unwrap() && !snapshot.has_dimension(9).unwrap());
    assert_eq!(snapshot.layer_count(1).unwrap(), 501);
    let walked: Vec<_> = snapshot.layers(1).unwrap().map(|step| step.unwrap()).collect();
    assert_eq!(walked.len(), 501);
    assert!(walked.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert_eq!((walked[1].0, walked[1].1.bytes()), (1, &b"odd"[..]));
    assert_eq!(snapshot.layers(9).err().unwrap().code(), Code::DIMENSION_NOT_FOUND);
    let info = snapshot.info().unwrap();
    assert_eq!((info.generation, info.layers, info.dimensions), (2, 503, 3));
}

#[test]
fn changes_are_those_between() {
    let base = Base::new();
    let producer = populated(&base);
    let consumer = base.attach();
    let before = consumer.snapshot().unwrap();
    publish(&producer, |batch| {
        batch.put(1, 3, b"three", &plain()).unwrap();
        batch.put(1, 4, b"four", &plain()).unwrap();
        batch.erase_name(3, "joy").unwrap();
    });
    let after = consumer.snapshot().unwrap();
    let all = changes(Some(&before), &after).unwrap();
    let kinds: Vec<_> = all.iter().map(|change| (change.id, change.kind)).collect();
    let joy = Id::new(3, layer_number("joy"));
    let (three, four) = (Id::new(1, 3), Id::new(1, 4));
    assert_eq!(
        kinds,
        [(three, ChangeKind::Added), (four, ChangeKind::Updated), (joy, ChangeKind::Removed)]
    );
    assert!(all[0].before.is_none() && all[2].after.is_none());
    assert_eq!(all[1].before.unwrap().bytes(), b"00000004");
    assert_eq!(all[1].after.unwrap().bytes(), b"four");
    assert_eq!(changes_in(Some(&before), &after, 3).unwrap().len(), 1);
    assert_eq!(changes(None, &after).unwrap().len(), 503);
    assert!(changes(Some(&after), &after).unwrap().is_empty());
    let elsewhere = Base::new();
    let _other = populated(&elsewhere);
    let other = elsewhere.attach().snapshot().unwrap();
    assert_eq!(changes(Some(&other), &after).err().unwrap().code(), Code::INVALID_ARGUMENT);
}

#[test]
fn a_clone_keeps_the_generation() {
    let base = Base::new();
    let producer = populated(&base);
    let consumer = base.attach();
    let snapshot = consumer.snapshot().unwrap();
    let clone = snapshot.clone();
    drop((snapshot, consumer));
    for _ in 0..200 {
        // Memory that nobody held would be used again.
        publish(&producer, |batch| batch.put(1, 2, b"others!!", &plain()).unwrap());
    }
    let read = thread::spawn(move || clone.get(1, 2).unwrap().bytes().to_vec());
    assert_eq!(read.join().unwrap(), b"00000002");
}

#[test]
fn waits_end_with_their_cancellation_and_their_time() {
    let base = Base::new();
    let producer = populated(&base);
    let consumer = base.attach();
    let seen = consumer.generation();
    let look = WaitOptions { timeout: Some(Duration::ZERO), ..Default::default() };
    assert_eq!(consumer.wait(seen, look).unwrap(), WaitResult::Timeout);
    assert_eq!(consumer.wait(0, look).unwrap(), WaitResult::Changed);
    let cancellation = Cancellation::new().unwrap();
    let cancellable = WaitOptions { cancellation: Some(&cancellation), ..Default::default() };
    thread::scope(|scope| {
        let waiters: Vec<_> =
            (0..4).map(|_| scope.spawn(|| consumer.wait(seen, cancellable))).collect();
        cancellation.request();
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap().unwrap(), WaitResult::Cancelled);
        }
    });
    assert!(consumer.event_descriptor().is_ok());
    assert_eq!(consumer.acknowledge_event().unwrap(), seen);
    drop(producer);
    remove_store("store", Some(base.path())).unwrap();
    let through = WaitOptions { wait_for_producer: true, ..Default::default() };
    assert_eq!(consumer.wait(seen, through).unwrap(), WaitResult::StoreReplaced);
    assert!(consumer.store_replaced().unwrap());
    let _again = base.produce();
    let mut consumer = consumer;
    consumer.reattach().unwrap();
    assert_eq!(consumer.generation(), 1);
}

#[test]
fn errors_say_what_is_wrong() {
    let base = Base::new();
    let options = ConsumerOptions { wait_for_store: Duration::ZERO, ..base.options() };
    let error = Consumer::attach("none", &options).err().unwrap();
    assert_eq!(error.code(), Code::STORE_NOT_FOUND);
    assert!(error.path().starts_with(base.path().to_str().unwrap()));
    assert!(!error.operation().is_empty() && !error.hint().is_empty());
    assert!(error.to_string().contains("none"));
    assert_eq!(format!("{:?}", Code::OUT_OF_MEMORY), "out_of_memory");
    for name in ["../x", "", "a\0b"] {
        let error = Consumer::attach(name, &options).err().unwrap();
        assert_eq!(error.code(), Code::INVALID_NAME);
    }
    let hostile = ConsumerOptions { base_path: Some("a\0b".into()), ..options };
    assert_eq!(Consumer::attach("none", &hostile).err().unwrap().code(), Code::INVALID_ARGUMENT);
}

#[test]
fn stores_as_a_whole() {
    let base = Base::new();
    let producer = populated(&base);
    let consumer = base.attach();
    assert_eq!(stores(Some(base.path())).unwrap(), ["store"]);
    let info = inspect("store", Some(base.path())).unwrap();
    assert_eq!((info.generation, info.layers, info.id.len()), (2, 503, 32));
    assert_eq!(info.producer_pid, Some(std::process::id().into()));
    assert_eq!(consumer.retained().unwrap(), (2, 2));
    assert_eq!(consumer.snapshot_at(2).unwrap().generation(), 2);
    let error = consumer.snapshot_at(1).err().unwrap();
    assert_eq!(error.code(), Code::GENERATION_NOT_RETAINED);
    for text in [
        consumer.statistics().unwrap(),
        producer.statistics().unwrap(),
        statistics("store", Some(base.path())).unwrap(),
    ] {
        assert!(text.trim_start().starts_with('{') && text.contains("generation"));
    }
    consumer.snapshot().unwrap().get(1, 2).unwrap();
    assert!(consumer.memory().unwrap().mapped_regions > 0);
    let error = remove_store("store", Some(base.path())).err().unwrap();
    assert_eq!(error.code(), Code::PRODUCER_ACTIVE);
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
}

#[test]
fn damage_and_truncation_are_found() {
    let base = Base::new();
    let producer = base.produce();
    let payload = b"unmistakable".repeat(10_000);
    publish(&producer, |batch| {
        batch.put(1, 5, &payload, &plain()).unwrap();
        batch.put(2, 5, b"sound", &plain()).unwrap();
    });
    let snapshot = base.attach().snapshot().unwrap();
    let sound = snapshot.verify(None).unwrap();
    assert_eq!((sound.failure_count, sound.layers, sound.generation), (0, 2, 2));
    let mut damaged = Vec::new();
    for file in std::fs::read_dir(base.path().join("store")).unwrap() {
        let path = file.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        if let Some(at) = content.windows(payload.len()).position(|window| window == payload) {
            use std::os::unix::fs::FileExt;
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all_at(b"!", at as u64).unwrap();
            damaged.push(file);
        }
    }
    assert_eq!(damaged.len(), 1);
    let layer = snapshot.get(1, 5).unwrap();
    assert_eq!(layer.verify().err().unwrap().code(), Code::CORRUPT);
    let found = snapshot.verify(None).unwrap();
    assert_eq!(found.failure_count, 1);
    assert_eq!((found.failures[0].dimension, found.failures[0].layer), (Some(1), Some(5)));
    assert_eq!(snapshot.verify(Some(2)).unwrap().failure_count, 0);
    damaged[0].set_len(64 << 10).unwrap();
    assert_eq!(layer.to_vec().err().unwrap().code(), Code::TRUNCATED);
    let mut row = vec![0; payload.len()];
    let error = snapshot.gather(1, &[5], &mut row, None).err().unwrap();
    assert_eq!(error.code(), Code::TRUNCATED);
}
