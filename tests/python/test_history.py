# SPDX-License-Identifier: Apache-2.0
"""Generations that stay readable, by number and by time, and which dimensions they have."""

import datetime

import pytest
import strata


def publish_digits(producer, count):
    generations = []
    for digit in range(count):
        with producer.batch() as batch:
            batch.put(1, 1, str(digit))
        generations.append(producer.generation)
    return generations


@pytest.fixture
def history(base):
    """Opens a store with options, publishes ten generations, attaches."""
    opened = []

    def open_with(**options):
        producer = strata.Producer("history", base, memory_limit=64 << 20, **options)
        generations = publish_digits(producer, 10)
        opened.extend([producer, strata.Consumer("history", base)])
        return opened[-1], generations

    yield open_with
    for made in reversed(opened):
        made.close()


@pytest.mark.parametrize(
    ("options", "retained"),
    [
        ({}, 0),
        ({"retain": 3}, 3),
        ({"retain_for": 3600}, 10),
        ({"retain_for": float("inf"), "retain": 2}, 10),
        ({"retain_for": 3600.5, "retain_bytes": 1}, 1),  # what the newest supersedes counts later
    ],
)
def test_retention_by_number_time_and_bytes(history, options, retained):
    consumer, generations = history(**options)
    oldest, newest = consumer.retained
    assert newest == generations[-1]
    assert (oldest == newest - retained) if retained < 10 else (oldest <= generations[0])
    for digit, generation in enumerate(generations):
        if generation < oldest:
            with pytest.raises(strata.Error) as caught:
                consumer.snapshot(generation)
            assert caught.value.code == "generation_not_retained"
            continue
        with consumer.snapshot(generation) as snapshot:
            assert snapshot[1, 1].text() == str(digit)
            # A coarse clock may give one time to two: then it is the later one.
            with consumer.snapshot_at(ns=snapshot.published_at_ns) as same:
                assert same.generation >= generation
                assert same.published_at_ns == snapshot.published_at_ns


def test_times_come_in_three_forms(history):
    consumer, generations = history(retain=20)
    newest = consumer.snapshot()
    seconds = newest.published_at + 1
    utc = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    elsewhere = utc.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30)))
    local = datetime.datetime.fromtimestamp(seconds)
    for time in [seconds, int(seconds) + 1, utc, elsewhere, local]:
        assert consumer.snapshot_at(time).generation == generations[-1]
    before = utc - datetime.timedelta(days=1)
    for time in [0, -1.5, before, before.astimezone(elsewhere.tzinfo)]:
        with pytest.raises(strata.Error) as caught:
            consumer.snapshot_at(time)
        assert caught.value.code == "generation_not_retained"
    with pytest.raises(TypeError):
        consumer.snapshot_at()
    with pytest.raises(TypeError):
        consumer.snapshot_at(seconds, ns=1)
    with pytest.raises(TypeError):
        consumer.snapshot_at([1])
    with pytest.raises(OverflowError):
        consumer.snapshot_at(1e300)
    with pytest.raises((ValueError, OverflowError)):
        consumer.snapshot_at(float("nan"))


def test_wrong_retention_is_refused(base):
    for wrong, error in [(-1, ValueError), (float("nan"), ValueError), ("x", TypeError)]:
        with pytest.raises(error):
            strata.Producer("none", base, retain_for=wrong)
    for wrong in [{"retain": -1}, {"retain": 2**32}, {"retain_bytes": -1}, {"memory_limit": 2**64}]:
        with pytest.raises(OverflowError):
            strata.Producer("none", base, **wrong)
    assert strata.stores(base) == []


def test_numbers_out_of_range_are_no_other_numbers(consumer, producer):
    batch = producer.batch()
    for call in [
        lambda: consumer.wait(-1, 0),
        lambda: consumer.snapshot(-1),
        lambda: producer.add_dimension(1, initial_bytes=-1),
        lambda: producer.move_dimension(1, access_mode=2**32),
        lambda: batch.put(1, 1, b"", alignment=-1),
        lambda: batch.put(1, 1, b"", type_tag=2**64),
        lambda: batch.loan(1, 1, 4, alignment=2**32),
        lambda: strata.type_tag("x", -1, 1),
    ]:
        with pytest.raises(OverflowError):
            call()
    with pytest.raises(TypeError):
        consumer.wait("1", 0)
    assert len(batch) == 0


def test_dimensions_that_differ(consumer, producer, publish):
    producer.add_dimension(3, "Three")
    producer.add_dimension(5, "Five")
    before = consumer.snapshot()
    with producer.batch() as batch:
        batch.name_dimension(3, "Drei")
        batch.remove_dimension(5)
        batch.name_dimension(8, "Eight")
    after = consumer.snapshot()
    changes = after.dimension_changes(before)
    assert changes == [
        (3, "renamed", "Three", "Drei"),
        (5, "removed", "Five", None),
        (8, "added", None, "Eight"),
    ]
    assert changes[0].dimension == 3 and changes[0].kind == "renamed"
    assert changes[2].before is None and changes[2].after == "Eight"
    assert repr(changes[0]).startswith("strata.DimensionChange(dimension=3")
    assert [change.kind for change in after.dimension_changes()] == ["added", "added"]
    assert before.dimension_changes(since=before) == [] == after.changes(since=before)
    with pytest.raises(TypeError):
        after.dimension_changes(since=5)
    before.close()
    with pytest.raises(ValueError, match="closed"):
        after.dimension_changes(before)
    with pytest.raises(ValueError, match="closed"):
        before.dimension_changes()


def test_a_dimension_moves_while_a_snapshot_is_held(consumer, producer, publish):
    publish(1, 1, b"stays")
    publish(2, 1, b"beside")
    before = consumer.snapshot()
    layer = before[1, 1]
    moved = producer.move_dimension(1, own_region=True)
    assert moved == producer.generation == before.generation + 1
    after = consumer.snapshot()
    assert after.changes(before) == [] == after.dimension_changes(before)
    assert bytes(after[1, 1]) == bytes(layer) == b"stays"
    assert after[1, 1].generation == layer.generation
    assert producer.move_dimension(1) == moved + 1  # back to the shared files
    assert producer.move_dimension(1) == moved + 1  # where it is
    with pytest.raises(strata.Error) as caught:
        producer.move_dimension(9, max_bytes=1 << 20)
    assert caught.value.code == "dimension_not_found"
    with pytest.raises(strata.Error) as caught:
        producer.move_dimension(1, access_mode=0o777)
    assert caught.value.code == "invalid_argument"
    assert producer.generation == moved + 1
