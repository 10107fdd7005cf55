# SPDX-License-Identifier: Apache-2.0
"""Look-ups, iteration, differences, waiting."""

import signal
import threading
import time

import numpy
import pytest
import strata


def test_layers_are_found_by_number_and_by_name(consumer, publish):
    publish(1, 5, b"joy", frequency=1.5, keywords=["emotion", "Gefühl"], type_tag=7)
    publish(1, "named", "Text ä")
    publish(99, 2**64 - 1, b"")
    with consumer.snapshot() as snapshot:
        layer = snapshot[1, 5]
        assert bytes(layer) == b"joy" and len(layer) == 3
        assert (layer.dimension, layer.number, layer.name) == (1, 5, None)
        assert (layer.frequency, layer.keywords, layer.type_tag) == (1.5, ("emotion", "Gefühl"), 7)
        assert layer.generation == 2 and layer.verify()
        assert "1/5" in repr(layer)
        named = snapshot["D1", "named"]
        assert named.text() == "Text ä" and named.name == "named"
        assert named.number == strata.layer_number("named") == strata.layer_number(b"named")
        assert bytes(snapshot[1, b"named"]) == bytes(snapshot[numpy.uint32(1), named.number])
        assert len(snapshot["D99", 2**64 - 1]) == 0
        assert snapshot.dimensions() == {1: "D1", 99: "D99"}
        assert (snapshot.layer_count, snapshot.dimension_count) == (3, 2)
        assert abs(snapshot.published_at - time.time()) < 3600


def test_what_is_not_there_is_a_key_error_or_the_default(consumer, publish):
    publish(1, 5, b"joy")
    snapshot = consumer.snapshot()
    for key in [(1, 6), (2, 5), ("Nowhere", 5), (1, "joy"), ("D1", 6)]:
        with pytest.raises(KeyError):
            snapshot[key]
        assert key not in snapshot
        assert snapshot.get(*key) is None
        assert snapshot.get(*key, 42) == 42
    assert (1, 5) in snapshot
    for wrong, exception in [
        (5, TypeError),
        ((1, 5, 6), TypeError),
        ((1, 5.0), TypeError),
        ((1.0, 5), TypeError),
        ((1, -1), OverflowError),
        ((1, 2**64), OverflowError),
        ((2**32, 1), OverflowError),
        ((-1, 1), OverflowError),
    ]:
        with pytest.raises(exception):
            snapshot[wrong]


def test_a_dimension_is_a_mapping(consumer, producer):
    with producer.batch() as batch:
        for number in range(0, 1000, 3):
            batch.put(7, number, str(number))
    dimension = consumer.snapshot().dimension(7)
    assert dimension.number == 7 and len(dimension) == 334
    assert list(dimension) == list(dimension.keys()) == list(range(0, 1000, 3))
    assert [layer.text() for layer in dimension.values()] == [str(n) for n in dimension]
    assert all(layer.number == number for number, layer in dimension.items())
    assert dimension[3].text() == "3" and 4 not in dimension and dimension.get(4, "none") == "none"
    with pytest.raises(KeyError):
        dimension[4]
    with pytest.raises(KeyError):
        consumer.snapshot().dimension(8)
    with pytest.raises(KeyError):
        consumer.snapshot().dimension("Nowhere")
    iterator = iter(dimension.items())
    del dimension  # the iterator has what it needs
    assert bytes(dict(iterator)[999]) == b"999"


def test_snapshots_do_not_change(consumer, producer, publish):
    publish(1, 1, b"old")
    before = consumer.snapshot()
    layer = before[1, 1]
    for _ in range(50):
        publish(1, 1, b"new")
    publish(2, 2, b"added")
    assert bytes(layer) == bytes(before[1, 1]) == b"old"
    after = consumer.snapshot()
    changes = after.changes(before)
    assert [change[:3] for change in changes] == [(1, 1, "updated"), (2, 2, "added")]
    assert bytes(changes[0].before) == b"old" and bytes(changes[0].after) == b"new"
    assert changes[1].before is None
    assert [c.kind for c in before.changes(after, dimension=2)] == ["removed"]
    assert len(after.changes()) == 2
    assert after.verify() == []
    with pytest.raises(TypeError):
        after.changes(3)
    before.close()
    assert before.closed and bytes(changes[0].before) == b"old"
    with pytest.raises(ValueError, match="closed"):
        before[1, 1]


def test_errors_say_what_is_wrong(base, consumer):
    with pytest.raises(strata.Error) as caught:
        strata.Consumer("nobody", base)
    error = caught.value
    assert error.code == "store_not_found" and error.number == 1
    assert "nobody" in str(error) and base in error.path and error.hint
    with pytest.raises(strata.Error, match="without '/'") as caught:
        strata.Consumer("../store", base)
    assert caught.value.code == "invalid_name"
    with pytest.raises(strata.Error) as caught:
        consumer.snapshot(12345)
    assert caught.value.code == "generation_not_retained"
    for options in [{"trusted_owner": "me"}, {"wait": -1}, {"wait": float("nan")}]:
        with pytest.raises(ValueError):
            strata.Consumer("store", base, **options)
    for number in (-1, 2**32, 2**64):
        with pytest.raises(OverflowError):
            strata.Consumer("store", base, trusted_owner=number)
    with pytest.raises(ValueError):  # a zero within a path
        strata.Consumer("store", "a\0b")


def test_waits_end_for_every_reason(base, producer, consumer, publish):
    generation = publish(1, 1, b"one")
    assert consumer.wait(generation - 1) is strata.WaitResult.CHANGED
    assert consumer.wait(generation, timeout=0) is strata.WaitResult.TIMEOUT
    assert consumer.wait(timeout=0.01) is strata.WaitResult.TIMEOUT
    thread = threading.Thread(target=publish, args=(1, 1, b"two"))
    thread.start()
    assert consumer.wait(generation) is strata.WaitResult.CHANGED
    thread.join()
    producer.close()
    assert consumer.wait() is strata.WaitResult.PRODUCER_GONE
    assert consumer.producer_pid is None
    strata.remove_store("store", base)
    assert consumer.wait() is strata.WaitResult.STORE_REPLACED and consumer.store_replaced
    with pytest.raises(strata.Error):
        consumer.reattach()
    with strata.Producer("store", base) as again:
        with again.batch() as batch:
            batch.put(3, 3, b"anew")
        consumer.reattach()
        assert bytes(consumer.snapshot()[3, 3]) == b"anew"
        with pytest.raises(ValueError):
            consumer.wait(timeout=-1)


def test_a_wait_is_interrupted_by_a_signal(consumer):
    main = threading.main_thread().ident

    def interrupt(stop):
        while not stop.wait(0.01):
            signal.pthread_kill(main, signal.SIGINT)
            return

    stop = threading.Event()
    thread = threading.Thread(target=interrupt, args=(stop,))
    with pytest.raises(KeyboardInterrupt):
        thread.start()
        consumer.wait()
    thread.join()
    with pytest.raises(KeyboardInterrupt):  # while it waits for a store, too
        timer = threading.Timer(0.05, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        strata.Consumer("never", consumer.base_path, wait=600)
    timer.join()


def test_closing_ends_the_waits_of_other_threads(base, producer):
    consumer = strata.Consumer("store", base)
    results = []

    def wait():
        try:
            consumer.wait(2**63)
        except ValueError as error:
            results.append(str(error))

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    consumer.close()
    for thread in threads:
        thread.join()
    assert results == ["the consumer is closed"] * 3
    consumer.close()
    with pytest.raises(ValueError, match="closed"):
        consumer.snapshot()
    with pytest.raises(ValueError, match="closed"):
        with consumer:
            pass


def test_statistics_and_lists(base, producer, consumer, publish):
    publish(1, 1, b"x")
    for statistics in [
        consumer.statistics(),
        producer.statistics(),
        strata.statistics("store", base),
    ]:
        assert statistics["layers"] == 1 and statistics["memory_limit"] == 64 << 20
    assert strata.stores(base) == ["store"]
    assert strata.stores(base.encode()) == ["store"]
    assert strata.stores(base + "/nothing") == []
    with pytest.raises(strata.Error) as caught:
        strata.remove_store("store", base)
    assert caught.value.code == "producer_active"
    assert consumer.retained[1] == consumer.generation


def test_a_number_that_closes_the_snapshot(consumer, publish):
    publish(1, 5, b"joy")

    class Closing:
        def __init__(self, snapshot, number):
            self.snapshot, self.number = snapshot, number

        def __index__(self):
            self.snapshot.close()
            return self.number

    for use in [
        lambda snapshot, one, five: snapshot[one, 5],
        lambda snapshot, one, five: snapshot[1, five],
        lambda snapshot, one, five: snapshot["D1", five],
        lambda snapshot, one, five: (one, 5) in snapshot,
        lambda snapshot, one, five: snapshot.get(1, five),
        lambda snapshot, one, five: snapshot.dimension(one),
        lambda snapshot, one, five: snapshot.changes(None, one),
        lambda snapshot, one, five: snapshot.gather(one, [5], bytearray(3)),
    ]:
        snapshot = consumer.snapshot()
        with pytest.raises(ValueError, match="closed"):
            use(snapshot, Closing(snapshot, 1), Closing(snapshot, 5))
    snapshot = consumer.snapshot()
    assert snapshot.gather(1, [Closing(snapshot, 5)], bytearray(3)) == 1  # it had begun


def test_what_they_look_like(consumer, publish):
    publish(1, 5, b"joy")
    snapshot = consumer.snapshot()
    assert repr(snapshot) == f"<strata.Snapshot, generation {snapshot.generation}>"
    assert repr(snapshot.dimension(1)) == "<strata.Dimension 1, 1 layers>"
    snapshot.close()
    assert repr(snapshot) == "<strata.Snapshot, closed>"
