# SPDX-License-Identifier: Apache-2.0
"""Typed values, by tags that other languages make the same way."""

import gc

import numpy
import pytest
import strata

QUOTE = strata.Type(numpy.dtype([("price", "f8"), ("size", "u4")], align=True), "Quote")


def fnv1a(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def test_tags_are_of_a_documented_text():
    assert strata.type_tag("f64", 8, 8) == fnv1a("f64:8:8") == strata.Type("f8").tag
    assert QUOTE.dtype.itemsize == 16 and QUOTE.alignment == 8
    assert QUOTE.tag == fnv1a("Quote:16:8") and QUOTE.array_tag == fnv1a("Quote[]:16:8")
    assert strata.type_tag_text(strata.Type("u2").array_tag) == "u16[]"
    assert strata.type_tag_text(strata.Type(bool).tag) == "bool"
    assert strata.type_tag_text(0) == "plain bytes"
    assert strata.Type("S16", "id", alignment=1).tag == fnv1a("id:16:1")
    for wrong in ["O", ">f8", [("a", ">u2")], "c16", "f2", "S4", "V0"]:
        with pytest.raises(TypeError):
            strata.Type(wrong)


def test_values_come_back_as_what_they_are(consumer, producer):
    rows = numpy.array([(1.5, 10), (2.5, 20)], QUOTE.dtype)
    with producer.batch() as batch:
        number = QUOTE.put(batch, 1, "best", (1.25, 7), frequency=2.0, keywords=["bid"])
        QUOTE.put_array(batch, 1, 2, rows)
        QUOTE.put_array(batch, 1, 3, rows[:0])
        strata.Type("f4").put_array(batch, 1, 4, numpy.arange(6).reshape(2, 3)[:, ::2])
        strata.Type("f8").put(batch, 1, 5, 0.5)
        batch.put(1, 6, rows)
    snapshot = consumer.snapshot()
    best = snapshot[1, "best"]
    assert best.number == number == strata.layer_number("best") and best.keywords == ("bid",)
    value = QUOTE.value(best)
    assert value["price"] == 1.25 and value["size"] == 7
    array = QUOTE.array(snapshot[1, 2])
    assert (array == rows).all() and not array.flags.writeable
    assert len(QUOTE.array(snapshot[1, 3])) == 0
    assert strata.Type("f4").array(snapshot[1, 4]).tolist() == [0, 2, 3, 5]
    assert strata.Type("f8").value(snapshot[1, 5]) == 0.5
    for read in [
        lambda: QUOTE.array(best),
        lambda: QUOTE.value(snapshot[1, 2]),
        lambda: QUOTE.array(snapshot[1, 6]),
        lambda: strata.Type("i8").value(snapshot[1, 5]),
        lambda: strata.Type(QUOTE.dtype, "Trade").value(best),
        lambda: strata.Type(QUOTE.dtype, "Quote", alignment=4).value(best),
    ]:
        with pytest.raises(strata.Error) as caught:
            read()
        assert caught.value.code == "type_mismatch" and caught.value.hint
    snapshot.close()
    del best, snapshot
    gc.collect()
    for _ in range(100):  # memory that nobody held would be used again
        with producer.batch() as batch:
            QUOTE.put_array(batch, 1, 2, rows[::-1])
    assert (array == rows).all() and value["size"] == 7


def test_one_value_is_one(producer):
    batch = producer.batch()
    with pytest.raises(ValueError, match="put_array"):
        QUOTE.put(batch, 1, 1, [(1, 2), (3, 4)])
    with pytest.raises((TypeError, ValueError)):
        QUOTE.put(batch, 1, 1, "text")
    assert len(batch) == 0


def test_large_alignments_are_kept(consumer, producer):
    block = strata.Type("V512", "Block", alignment=512)
    with producer.batch() as batch:
        block.put(batch, 1, 1, numpy.void(bytes(range(256)) * 2))
        block.put_array(batch, 1, 2, numpy.zeros(3, "V512"), alignment=4096)
    snapshot = consumer.snapshot()
    for number, alignment in [(1, 512), (2, 4096)]:
        address = numpy.frombuffer(snapshot[1, number], "u1").ctypes.data
        assert address % alignment == 0
    assert bytes(block.value(snapshot[1, 1])) == bytes(range(256)) * 2
    assert len(block.array(snapshot[1, 2])) == 3


def test_names_of_layers_and_dimensions(consumer, producer):
    with producer.batch() as batch:
        quotes = batch.dimension("Quotes")
        assert batch.dimension("Quotes") == quotes
        with batch.loan(quotes, "room", 4) as room:
            room[:] = b"made"
        batch.loan(quotes, "gone", 4)
        batch.erase(quotes, "gone")
    snapshot = consumer.snapshot()
    assert bytes(snapshot["Quotes", "room"]) == b"made" and snapshot.layer_count == 1
    assert snapshot[quotes, "room"].name == "room"
    batch = producer.batch()
    with pytest.raises(strata.Error) as caught:
        batch.dimension("x" * 56)
    assert caught.value.code == "invalid_argument"
    with pytest.raises(TypeError):
        batch.dimension(5)


def test_what_lies_between_fields_is_not_told(consumer, producer):
    inner = numpy.dtype([("x", "u1"), ("y", "u4")], align=True)
    padded = numpy.dtype([("a", "u1"), ("b", "f8"), ("in", inner, 2), ("z", "u1")], align=True)
    kind = strata.Type(padded, "Padded")
    rows = numpy.frombuffer(b"\xff" * (3 * padded.itemsize), padded)
    with producer.batch() as batch:
        kind.put(batch, 1, 1, rows[1])
        kind.put_array(batch, 1, 2, rows)
        kind.put_array(batch, 1, 3, rows.reshape(3, 1)[::2])
    snapshot = consumer.snapshot()
    one = b"\xff" + bytes(7) + b"\xff" * 8 + (b"\xff" + bytes(3) + b"\xff" * 4) * 2 + b"\xff" + bytes(7)
    assert bytes(snapshot[1, 1]) == one
    assert bytes(snapshot[1, 2]) == one * 3
    assert bytes(snapshot[1, 3]) == one * 2
