# SPDX-License-Identifier: Apache-2.0
"""Producing from Python."""

import os
import pathlib
import sys
import threading

import pytest
import strata


def test_a_batch_is_published_whole_or_not_at_all(producer, consumer):
    with producer.batch() as batch:
        number = batch.put(1, "name", b"value")
        batch.put(1, 2, bytearray(b"bytes"))
        batch.put(1, 3, memoryview(b"view"))
        assert len(batch) == 3
    snapshot = consumer.snapshot()
    assert snapshot.dimension(1)[number].name == "name" and snapshot.layer_count == 3
    with pytest.raises(ZeroDivisionError):
        with producer.batch() as batch:
            batch.put(1, 4, b"never seen")
            raise ZeroDivisionError
    assert producer.generation == consumer.generation == snapshot.generation
    batch = producer.batch()
    batch.erase(1, "name")
    batch.erase(1, 2)
    batch.name_dimension(1, "Renamed")
    batch.put(2, 2, b"goes")
    batch.remove_dimension(2)
    assert batch.crystallize() == producer.generation
    batch.put(1, 9, b"dropped")
    batch.clear()
    assert len(batch) == 0 and batch.crystallize() == producer.generation
    after = consumer.snapshot()
    assert after.dimensions() == {1: "Renamed"} and list(after.dimension("Renamed")) == [3]


def test_modes_and_limits(base, producer):
    for mode, code in [("open", "producer_active"), ("create", "store_exists")]:
        with pytest.raises(strata.Error) as caught:
            strata.Producer("store", base, mode=mode)
        assert caught.value.code == code
    with pytest.raises(ValueError):
        strata.Producer("store", base, mode="append")
    producer.set_memory_limit(1 << 20)
    batch = producer.batch()
    with pytest.raises(strata.Error) as caught:
        batch.put(1, 1, bytes(2 << 20))
    assert caught.value.code == "limit_exceeded" and caught.value.limit == 1 << 20
    assert caught.value.needed > 0 and len(batch) == 0
    producer.set_memory_limit(64 << 20)
    batch.put(1, 1, bytes(2 << 20))
    batch.crystallize()
    batch.erase(1, 1)
    batch.crystallize()
    assert producer.trim() >= 2 << 20
    assert producer.add_dimension(50, "Fifty", own_region=True) == producer.generation
    assert producer.add_core_dimensions() == producer.generation


def test_what_is_durable(base, producer, consumer, publish):
    first = publish(1, 1, b"one")
    assert producer.durable_generation == consumer.durable_generation == 0
    assert producer.checkpoint() == first == producer.durable_generation
    second = publish(1, 1, b"two")
    assert consumer.durable_generation == first
    assert producer.wait_durable(second) is None and consumer.durable_generation == second
    with pytest.raises(strata.Error) as caught:
        producer.wait_durable(second + 1)
    assert caught.value.code == "invalid_argument"
    with pytest.raises(OverflowError):
        producer.wait_durable(-1)
    with strata.Producer("each", base, durability="each_commit") as each:
        with each.batch() as batch:
            batch.put(1, 1, b"x")
        assert each.durable_generation == each.generation
    with strata.Producer(
        "each", base, durability="background", durability_interval=3600, durability_generations=1
    ) as background:
        with background.batch() as batch:
            batch.put(1, 1, b"y")
        last = background.generation
        while background.durable_generation < last:
            os.sched_yield()
    with pytest.raises(ValueError):
        strata.Producer("each", base, durability="always")
    with pytest.raises(ValueError):
        strata.Producer("each", base, durability="background", durability_interval=-1)
    with pytest.raises(ValueError):
        background.checkpoint()


def test_a_dimension_is_cleared(producer, consumer, publish):
    publish(7, 1, b"old")
    publish(7, 2, b"older")
    with producer.batch() as batch:
        batch.put(7, 3, b"kept")
        batch.clear_dimension(7)
        batch.clear_dimension(8)
    assert list(consumer.snapshot().dimension(7)) == [3]
    assert consumer.snapshot().dimensions() == {7: "D7"}
    with pytest.raises(ValueError):
        batch.clear_dimension(7)


def test_dimensions_take_the_same_options(base, producer, publish):
    publish(1, 1, b"x")
    producer.add_dimension(5, "Five", 65536, max_bytes=1 << 20, access_mode=0o600)
    producer.move_dimension(1, 65536, max_bytes=1 << 20, own_region=True, access_mode=0o600)
    modes = [os.stat(file).st_mode & 0o777 for file in pathlib.Path(base, "store").glob("region*")]
    assert modes.count(0o600) == 2
    for call in (producer.add_dimension, producer.move_dimension):
        for wrong, exception in [({"max_bytes": -1}, OverflowError), ({"own": 1}, TypeError)]:
            with pytest.raises(exception):
                call(1, **wrong)
        with pytest.raises(TypeError):
            call()
    with pytest.raises(TypeError):
        producer.move_dimension(1, name="One")


def test_wrong_arguments(producer):
    batch = producer.batch()
    for arguments, options, exception in [
        ((1, 1, 5), {}, TypeError),
        ((1, 1, None), {}, TypeError),
        ((1, 1.5, b""), {}, TypeError),
        ((2**32, 1, b""), {}, OverflowError),
        ((1, 1, b""), {"keywords": "word"}, TypeError),
        ((1, 1, b""), {"keywords": [1]}, TypeError),
        ((1, 1, b""), {"alignment": 48}, strata.Error),
        ((1, 1, b""), {"unknown": 1}, TypeError),
    ]:
        with pytest.raises(exception):
            batch.put(*arguments, **options)
    with pytest.raises(TypeError, match="a keyword is a str"):
        batch.put(1, 1, b"", keywords=[1])
    with pytest.raises(TypeError, match="name of a dimension is a str"):
        batch.dimension(None)
    assert len(batch) == 0


def test_closing_a_producer_closes_its_batches(base):
    producer = strata.Producer("store", base)
    first, second = producer.batch(), producer.batch()
    first.put(1, 1, b"x")
    second.close()
    producer.close()
    producer.close()
    assert producer.closed
    for use in [lambda: first.put(1, 1, b""), first.crystallize, producer.batch, producer.trim]:
        with pytest.raises(ValueError, match="closed"):
            use()
    first.close()
    with strata.Producer("store", base, mode="open") as again:  # the lock is free
        assert again.generation == 1


def test_a_batch_in_use_is_refused_to_other_threads(producer):
    data = bytes(1 << 20)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that others run as soon as they can
    refused = set()
    try:
        for _ in range(100):
            batch = producer.batch()
            failures = []

            def put():
                try:
                    batch.put(1, 1, data)  # without the GIL
                except ValueError:  # closed before
                    pass
                except Exception as error:
                    failures.append(error)

            thread = threading.Thread(target=put)
            thread.start()
            while thread.is_alive():
                for name in ("__len__", "close"):
                    try:
                        getattr(batch, name)()
                    except RuntimeError:
                        refused.add(name)
            thread.join()
            assert not failures
            batch.close()
    finally:
        sys.setswitchinterval(interval)
    assert refused == {"__len__", "close"}


def test_many_threads_produce(producer, consumer):
    def work(dimension):
        for number in range(50):
            with producer.batch() as batch:
                batch.put(dimension, number, bytes([dimension]) * 100_000)  # without the GIL

    threads = [threading.Thread(target=work, args=(d,)) for d in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    snapshot = consumer.snapshot()
    assert snapshot.layer_count == 200 and snapshot.generation == 201
    for dimension in range(1, 5):
        for layer in snapshot.dimension(dimension).values():
            assert bytes(layer) == bytes([dimension]) * 100_000
