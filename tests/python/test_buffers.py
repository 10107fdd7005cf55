# SPDX-License-Identifier: Apache-2.0
"""Payloads in place, gathering into arrays, loans: whose memory it is, and for how long."""

import gc
import os

import numpy
import pytest
import strata


def test_views_are_read_only_and_keep_the_snapshot(consumer, publish):
    publish(1, 1, numpy.arange(8, dtype="<f4"))
    snapshot = consumer.snapshot()
    view = memoryview(snapshot[1, 1])
    array = numpy.frombuffer(snapshot[1, 1], "<f4")
    assert view.readonly and view.nbytes == 32 and not array.flags.writeable
    with pytest.raises(TypeError):
        view[0] = 1
    snapshot.close()
    del snapshot
    gc.collect()
    for _ in range(200):  # memory that nobody held would be used again
        publish(1, 1, bytes(32))
    assert array.tolist() == list(range(8)) and bytes(view) == array.tobytes()
    consumer.close()
    assert array.tolist() == list(range(8))


def test_gather_fills_rows(consumer, producer):
    with producer.batch() as batch:
        for number in range(0, 200, 2):
            batch.put(4, number, numpy.full(3, number, "<i4"))
        batch.put(4, 1, b"short")
    snapshot = consumer.snapshot()
    numbers = numpy.arange(200, dtype=numpy.uint64)
    out = numpy.full((200, 3), -1, "<i4")
    state = numpy.full(200, 9, numpy.uint8)
    assert snapshot.gather(4, numbers, out, state) == 100
    assert (out[::2, 0] == numbers[::2]).all() and (out[1::2] == 0).all()
    assert state[0] == 1 and state[1] == 2 and state[3] == 0
    assert snapshot.dimension("D4").gather(numbers[:4], bytearray(48)) == 2
    assert snapshot.gather(4, numbers[:0], out[:0]) == 0
    with pytest.raises(KeyError):
        snapshot.gather("D5", numbers, out)


def test_gather_takes_whatever_holds_integers(consumer, publish):
    publish(4, 1, b"12345678")
    snapshot = consumer.snapshot()
    for numbers in ([0, 1], (numpy.uint8(0), 1), range(2), numpy.arange(2), numpy.array([0, 1], "u8")):
        out = bytearray(16)
        assert snapshot.gather(4, numbers, out) == 1
        assert out == bytes(8) + b"12345678"


def test_gather_refuses_what_does_not_fit(consumer, publish):
    publish(4, 1, b"12345678")
    snapshot = consumer.snapshot()
    numbers = numpy.arange(4, dtype=numpy.uint64)
    out = bytearray(32)
    for wrong, exception in [
        ((numpy.array([1, -1, 2, 3]), out), OverflowError),
        ((numbers.astype(numpy.uint32), out), TypeError),
        ((numbers.astype(numpy.float64), out), TypeError),
        ((numbers, bytes(32)), BufferError),
        ((numbers, bytearray(33)), ValueError),
        ((numbers[::2], out), (BufferError, ValueError)),
        ((numbers, out, bytearray(3)), ValueError),
        (([1, -1], out), OverflowError),
        (([1, 2**64], out), OverflowError),
        (([1, 2.0], out), TypeError),
        (("1234", out), TypeError),
        ((1, out), TypeError),
        ((None, out), TypeError),
    ]:
        with pytest.raises(exception):
            snapshot.gather(4, *wrong)
    assert out == bytearray(32)


def test_loans_are_built_in_place(consumer, producer):
    batch = producer.batch()
    loan = batch.loan(1, 6, 16, frequency=2.5)
    with loan as room:
        numpy.frombuffer(room, "<u8")[:] = [3, 4]
        with pytest.raises(BufferError):  # while it is being written
            batch.crystallize()
        with pytest.raises(RuntimeError):
            producer.close()
    with pytest.raises(ValueError):
        room[0] = 1
    memoryview(loan)[0] = 5
    batch.crystallize()
    with pytest.raises(BufferError):  # it is published: nobody may write to it any more
        memoryview(loan)
    with pytest.raises(BufferError):
        with loan:
            pass
    layer = consumer.snapshot()[1, 6]
    assert numpy.frombuffer(layer, "<u8").tolist() == [5, 4] and layer.frequency == 2.5
    stale = batch.loan(1, 7, 8)
    batch.put(1, 7, b"instead")
    with pytest.raises(BufferError):
        memoryview(stale)
    batch.close()
    with pytest.raises(ValueError):
        batch.loan(1, 8, -1)


def test_a_file_that_is_cut_short_is_an_exception(base, consumer, publish):
    publish(1, 1, os.urandom(100_000))
    layer = consumer.snapshot()[1, 1]
    os.truncate(os.path.join(base, "store", "region-1.mmap"), 4096)
    with pytest.raises(strata.Error) as caught:
        bytes(layer)
    assert caught.value.code == "truncated"
    out = bytearray(100_000)
    with pytest.raises(strata.Error) as caught:
        consumer.snapshot().gather(1, numpy.array([1], numpy.uint64), out)
    assert caught.value.code == "truncated"
