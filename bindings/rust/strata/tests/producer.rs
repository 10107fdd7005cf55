// SPDX-License-Identifier: Apache-2.0
//! Producing: batches, types, limits, modes.

mod support;

use std::thread;
use std::time::{Duration, SystemTime};

use strata::*;
use support::*;

#[test]
fn a_batch_is_published_whole_or_not_at_all() {
    let base = Base::new();
    let producer = base.produce();
    let consumer = base.attach();
    let mut batch = producer.batch().unwrap();
    batch.put(1, 1, b"one", &plain()).unwrap();
    let room = batch.loan(1, 2, 5, &LayerOptions { alignment: 4096, ..plain() }).unwrap();
    assert_eq!(room, [0; 5]);
    room.copy_from_slice(b"built");
    batch.loan_name(1, "room", 4, &plain()).unwrap().copy_from_slice(b"made");
    batch.put(5, 5, b"goes", &plain()).unwrap();
    batch.remove_dimension(5).unwrap();
    let quotes = batch.dimension("Quotes").unwrap();
    batch.put(quotes, 1, b"quote", &plain()).unwrap();
    assert!(consumer.generation() == 1 && !batch.is_empty());
    assert_eq!(batch.crystallize().unwrap(), 2);
    assert!(batch.is_empty() && producer.generation() == 2);
    let snapshot = consumer.snapshot().unwrap();
    assert_eq!(snapshot.get(1, 2).unwrap().bytes(), b"built");
    assert_eq!(snapshot.get_name(1, "room").unwrap().bytes(), b"made");
    assert_eq!(snapshot.dimension_number("Quotes").unwrap(), quotes);
    assert_eq!(snapshot.info().unwrap().layers, 4);
    batch.erase(1, 1).unwrap();
    batch.clear();
    assert_eq!(batch.crystallize().unwrap(), 2); // of nothing: no generation
    batch.put(1, 1, b"dropped", &plain()).unwrap();
    drop(batch);
    assert_eq!(consumer.generation(), 2);
}

#[test]
fn values_come_back_as_what_they_are() {
    let base = Base::new();
    let producer = base.produce();
    let quotes = [Quote { price: 1.5, size: 10 }, Quote { price: 2.5, size: 20 }];
    publish(&producer, |batch| {
        batch.put_value(1, 1, &quotes[0], &plain()).unwrap();
        batch.put_values(1, 2, &quotes, &plain()).unwrap();
        batch.put_values::<u16>(1, 3, &[], &plain()).unwrap();
        batch.put_name_value(1, "pi", &3.25_f64, &plain()).unwrap();
        batch.put_name_values(1, "row", &[-1_i8, 0, 1], &plain()).unwrap();
        batch.put(1, 4, &[0; 16], &plain()).unwrap();
    });
    let snapshot = base.attach().snapshot().unwrap();
    let layer = |number| snapshot.get(1, number).unwrap();
    assert_eq!(layer(1).value::<Quote>().unwrap(), &quotes[0]);
    assert_eq!(layer(2).values::<Quote>().unwrap(), quotes);
    assert!(layer(3).values::<u16>().unwrap().is_empty());
    assert_eq!(snapshot.get_name(1, "pi").unwrap().value::<f64>().unwrap(), &3.25);
    assert_eq!(snapshot.get_name(1, "row").unwrap().values::<i8>().unwrap(), [-1, 0, 1]);
    let errors = [
        layer(1).values::<Quote>().err(),
        layer(1).value::<f64>().err(),
        layer(2).value::<Quote>().err(),
        layer(4).value::<Quote>().err(), // plain bytes
    ];
    for error in errors {
        assert_eq!(error.unwrap().code(), Code::TYPE_MISMATCH);
    }
    let fnv1a = |text: &str| {
        text.bytes().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01B3)
        })
    };
    assert_eq!(type_tag::<Quote>(true), fnv1a("Quote[]:16:8"));
    assert_eq!(type_tag::<u8>(false), fnv1a("u8:1:1"));
    assert_eq!(type_tag_text(type_tag::<f32>(true)).unwrap(), "f32[]");
}

#[test]
fn limits_modes_and_dimensions() {
    let base = Base::new();
    assert_eq!(base.open(OpenMode::Open).err().unwrap().code(), Code::STORE_NOT_FOUND);
    drop(base.open(OpenMode::Create).unwrap());
    assert_eq!(base.open(OpenMode::Create).err().unwrap().code(), Code::STORE_EXISTS);
    drop(base.open(OpenMode::Replace).unwrap());
    let producer = base.open(OpenMode::Open).unwrap();
    assert_eq!(base.open(OpenMode::Open).err().unwrap().code(), Code::PRODUCER_ACTIVE);
    producer.set_memory_limit(1 << 20).unwrap();
    let large = vec![0; 2 << 20];
    let mut batch = producer.batch().unwrap();
    let error = batch.put(1, 1, &large, &plain()).err().unwrap();
    assert_eq!((error.code(), error.limit()), (Code::LIMIT_EXCEEDED, 1 << 20));
    assert!(error.needed() > 0 && batch.is_empty());
    let odd = LayerOptions { alignment: 48, ..plain() };
    assert_eq!(batch.put(1, 1, b"", &odd).err().unwrap().code(), Code::INVALID_ARGUMENT);
    assert_eq!(batch.dimension("").err().unwrap().code(), Code::INVALID_ARGUMENT);
    producer.set_memory_limit(64 << 20).unwrap();
    batch.put(1, 1, &large, &plain()).unwrap();
    batch.crystallize().unwrap();
    batch.erase(1, 1).unwrap();
    batch.crystallize().unwrap();
    assert!(producer.trim().unwrap() >= 2 << 20);
    let sized = DimensionOptions { max_bytes: 1 << 20, ..Default::default() };
    let added = producer.add_dimension(42, "Answers", sized).unwrap();
    assert_eq!(producer.add_dimension(42, "Answers", sized).unwrap(), added);
    let other = DimensionOptions { max_bytes: 2 << 20, ..sized };
    let error = producer.add_dimension(42, "", other).err().unwrap();
    assert_eq!(error.code(), Code::DIMENSION_EXISTS);
    producer.add_core_dimensions().unwrap();
    let snapshot = base.attach().snapshot().unwrap();
    assert_eq!(snapshot.dimension_number("Security").unwrap(), 14);
}

#[test]
fn threads_share_a_producer() {
    let base = Base::new();
    let producer = base.produce();
    thread::scope(|scope| {
        for dimension in 1..=4 {
            let producer = &producer;
            scope.spawn(move || {
                for number in 0..25 {
                    publish(producer, |batch| {
                        batch.put(dimension, number, b"text", &plain()).unwrap()
                    });
                }
            });
        }
    });
    let info = base.attach().snapshot().unwrap().info().unwrap();
    assert_eq!((info.generation, info.layers), (101, 100));
}

#[test]
fn what_is_retained_is_found_by_number_and_by_time() {
    let base = Base::new();
    let producer = Producer::open(
        "store",
        &ProducerOptions {
            base_path: Some(base.path().to_path_buf()),
            memory_limit: 64 << 20,
            retain_for: Duration::MAX, // for ever
            ..Default::default()
        },
    )
    .unwrap();
    let consumer = base.attach();
    let generations: Vec<u64> = (0..5_u8)
        .map(|digit| publish(&producer, |batch| batch.put(1, 1, &[digit], &plain()).unwrap()))
        .collect();
    assert!(consumer.retained().unwrap().0 <= generations[0]);
    for (digit, generation) in generations.iter().enumerate() {
        let snapshot = consumer.snapshot_at(*generation).unwrap();
        assert_eq!(snapshot.get(1, 1).unwrap().bytes(), [digit as u8]);
        // A coarse clock may give one time to two: then it is the later one.
        let time = snapshot.info().unwrap().published_at;
        let same = consumer.snapshot_at_time(time).unwrap();
        assert!(same.generation() >= *generation);
        assert_eq!(same.info().unwrap().published_at, time);
    }
    assert_eq!(
        consumer.snapshot_at_time(SystemTime::UNIX_EPOCH).unwrap_err().code(),
        Code::GENERATION_NOT_RETAINED
    );
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(consumer.snapshot_at_time(early).unwrap_err().code(), Code::GENERATION_NOT_RETAINED);
}

#[test]
fn dimensions_move_and_tell_how_they_differ() {
    let base = Base::new();
    let producer = base.produce();
    let consumer = base.attach();
    producer.add_dimension(3, "Three", DimensionOptions::default()).unwrap();
    publish(&producer, |batch| batch.put(5, 1, b"stays", &plain()).unwrap());
    let before = consumer.snapshot().unwrap();
    let own = DimensionOptions { own_region: true, ..Default::default() };
    let moved = producer.move_dimension(5, own).unwrap();
    assert_eq!(moved, before.generation() + 1);
    let after = consumer.snapshot().unwrap();
    assert!(changes(Some(&before), &after).unwrap().is_empty());
    assert!(dimension_changes(Some(&before), &after).unwrap().is_empty());
    assert_eq!(after.get(5, 1).unwrap().bytes(), b"stays");
    assert_eq!(producer.move_dimension(9, own).unwrap_err().code(), Code::DIMENSION_NOT_FOUND);

    publish(&producer, |batch| {
        batch.name_dimension(3, "Drei").unwrap();
        batch.remove_dimension(5).unwrap();
        batch.name_dimension(8, "Eight").unwrap();
    });
    let told = dimension_changes(Some(&after), &consumer.snapshot().unwrap()).unwrap();
    let change = |dimension, kind, before: &str, after: &str| DimensionChange {
        dimension,
        kind,
        before: before.to_string(),
        after: after.to_string(),
    };
    assert_eq!(
        told,
        [
            change(3, DimensionChangeKind::Renamed, "Three", "Drei"),
            change(5, DimensionChangeKind::Removed, "D5", ""),
            change(8, DimensionChangeKind::Added, "", "Eight"),
        ]
    );
    assert_eq!(dimension_changes(None, &after).unwrap().len(), 2);
}

#[test]
fn bookmarks_outlive_their_producer() {
    let base = Base::new();
    let producer = base.produce();
    publish(&producer, |batch| batch.put(1, 1, b"before", &plain()).unwrap());
    let kept = producer.generation();
    assert_eq!(producer.set_bookmark("before-import", 0).unwrap(), kept);
    drop(producer);
    let producer = base.produce();
    for text in [b"import 1", b"import 2"] {
        publish(&producer, |batch| batch.put(1, 1, text, &plain()).unwrap());
    }
    let consumer = base.attach();
    let all = consumer.bookmarks().unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].name.as_str(), all[0].generation), ("before-import", kept));
    let snapshot = consumer.snapshot_at_bookmark("before-import").unwrap();
    assert_eq!(snapshot.generation(), kept);
    producer.remove_bookmark("before-import").unwrap();
    assert_eq!(snapshot.get(1, 1).unwrap().bytes(), b"before");
    assert!(consumer.bookmarks().unwrap().is_empty());
    let gone = consumer.snapshot_at_bookmark("before-import").err().unwrap();
    assert_eq!(gone.code(), Code::BOOKMARK_NOT_FOUND);
    let again = producer.remove_bookmark("before-import").unwrap_err();
    assert_eq!(again.code(), Code::BOOKMARK_NOT_FOUND);
    assert_eq!(producer.set_bookmark("", 0).unwrap_err().code(), Code::INVALID_NAME);
    let never = producer.set_bookmark("x", producer.generation() + 1).unwrap_err();
    assert_eq!(never.code(), Code::GENERATION_NOT_RETAINED);
}

#[test]
fn generations_become_durable() {
    let base = Base::new();
    let producer = base.produce();
    let consumer = base.attach();
    publish(&producer, |batch| batch.put(1, 1, b"one", &plain()).unwrap());
    let first = producer.generation();
    assert_eq!((producer.durable_generation(), consumer.durable_generation().unwrap()), (0, 0));
    assert_eq!(producer.checkpoint().unwrap(), first);
    assert_eq!(consumer.durable_generation().unwrap(), first);
    publish(&producer, |batch| batch.put(1, 1, b"two", &plain()).unwrap());
    let second = producer.generation();
    producer.wait_durable(second).unwrap();
    assert_eq!(producer.durable_generation(), second);
    let never = producer.wait_durable(second + 1).unwrap_err();
    assert_eq!(never.code(), Code::INVALID_ARGUMENT);

    let mut options = ProducerOptions {
        base_path: Some(base.path().to_path_buf()),
        durability: Durability::EachCommit,
        ..Default::default()
    };
    let each = Producer::open("each", &options).unwrap();
    assert_eq!(each.durable_generation(), each.generation());
    drop(each);
    options.durability =
        Durability::Background { interval: Duration::from_secs(3600), generations: 1 };
    let background = Producer::open("each", &options).unwrap();
    publish(&background, |batch| batch.put(1, 1, b"x", &plain()).unwrap());
    while background.durable_generation() < background.generation() {
        thread::yield_now();
    }
}

#[test]
fn a_dimension_is_cleared() {
    let base = Base::new();
    let producer = base.produce();
    let consumer = base.attach();
    publish(&producer, |batch| batch.put(7, 1, b"old", &plain()).unwrap());
    publish(&producer, |batch| {
        batch.clear_dimension(7).unwrap();
        batch.clear_dimension(8).unwrap(); // there is none
        batch.put(7, 2, b"new", &plain()).unwrap();
    });
    let snapshot = consumer.snapshot().unwrap();
    assert_eq!(snapshot.get(7, 2).unwrap().bytes(), b"new");
    assert!(snapshot.find(7, 1).unwrap().is_none());
}
