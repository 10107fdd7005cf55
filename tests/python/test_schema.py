# SPDX-License-Identifier: Apache-2.0
"""Schemas: layers are read as what they are, without anything being declared."""

import json

import numpy
import pytest
import strata

QUOTE = strata.Type(numpy.dtype([("price", "f8"), ("size", "u8")], align=True), "Quote")
SCHEMA = {
    "name": "Quote", "size": 16, "alignment": 8,
    "fields": [
        {"name": "price", "offset": 0, "type": "f64"},
        {"name": "size", "offset": 8, "type": "u64"},
    ],
}


def test_a_schema_is_the_documented_text():
    assert json.loads(QUOTE.schema) == SCHEMA
    again = strata.Type.from_schema(json.dumps(SCHEMA))
    assert again.tag == QUOTE.tag and again.array_tag == QUOTE.array_tag
    assert again.dtype == QUOTE.dtype and again.alignment == 8


def fill(array):
    """All but what lies between fields."""
    if array.dtype.names is not None:
        for name in array.dtype.names:
            fill(array[name])
    elif array.dtype.kind in "SV":
        ones = b"\x01" * array.dtype.itemsize
        array[...] = ones if array.dtype.kind == "S" else numpy.void(ones)
    else:
        array[...] = 1


@pytest.mark.parametrize(
    "dtype",
    [
        numpy.dtype([("a", "u1"), ("b", "f8"), ("c", "?")], align=True),
        numpy.dtype([("a", "u1"), ("b", "f8")]),  # packed
        numpy.dtype([("at", "f4", 3), ("matrix", "f8", (2, 2)), ("id", "S16"), ("rest", "V5")]),
        numpy.dtype([("inner", [("x", "i2"), ("y", "i2", 2)], 4), ("n", "i8")], align=True),
        numpy.dtype({"names": ["b", "a"], "formats": ["u2", "u2"], "offsets": [6, 0], "itemsize": 12}),
        numpy.dtype("S16"),
        numpy.dtype("V512"),
        numpy.dtype("u4"),
    ],
)
def test_every_portable_dtype_comes_back(consumer, producer, dtype):
    kind = strata.Type(dtype, "Kind", alignment=8)
    again = strata.Type.from_schema(kind.schema)
    assert again.dtype == dtype and (again.tag, again.array_tag) == (kind.tag, kind.array_tag)
    rows = numpy.zeros(3, dtype)
    fill(rows)
    with producer.batch() as batch:
        kind.describe(batch)
        kind.put_array(batch, 1, 1, rows)
        kind.put(batch, 1, 2, rows[1])
    snapshot = consumer.snapshot()
    for number, expected in [(1, rows), (2, rows[1])]:
        layer = snapshot[1, number]
        found = strata.Type.of(snapshot, layer)
        assert found.dtype == dtype and found.name == "Kind"
        assert found.read(layer).tobytes() == expected.tobytes()


def test_numbers_need_no_schema(consumer, producer):
    with producer.batch() as batch:
        strata.Type("f4").put_array(batch, 1, 1, [1, 2, 3])
        strata.Type("?").put(batch, 1, 2, True)
        batch.put(1, 3, b"plain")
        QUOTE.put(batch, 1, 4, (1.5, 2))
    snapshot = consumer.snapshot()
    assert strata.Type.of(snapshot, snapshot[1, 1]).read(snapshot[1, 1]).tolist() == [1, 2, 3]
    assert strata.Type.of(snapshot, snapshot[1, 2]).read(snapshot[1, 2]) == True  # noqa: E712
    for number in (3, 4):  # not described
        with pytest.raises(KeyError):
            strata.Type.of(snapshot, snapshot[1, number])


def test_a_schema_is_of_its_generation(consumer, producer, publish):
    with producer.batch() as batch:
        QUOTE.put(batch, 1, 1, (1.5, 2))
        QUOTE.describe(batch)
    before = consumer.snapshot()
    with producer.batch() as batch:
        batch.remove_dimension(batch.dimension("strata.types"))
    assert strata.Type.of(before, before[1, 1]).read(before[1, 1])["size"] == 2
    after = consumer.snapshot()
    with pytest.raises(KeyError):
        strata.Type.of(after, after[1, 1])


def changed(**parts):
    return json.dumps({**SCHEMA, **parts})


@pytest.mark.parametrize(
    "text",
    [
        "", "[]", "5", "null", "{}", "{", '"text"', "[" * 60_000, '{"fields":' * 6_000,
        changed(size=15), changed(size=-16), changed(size="16"), changed(size=1 << 40),
        changed(size=True), changed(alignment=0), changed(alignment=3), changed(name=""), changed(name=5),
        changed(fields=5), changed(fields=[5]), changed(fields=[{}]), changed(shape=[2]),
        changed(fields=[{"name": "a", "offset": 0, "type": "O"}]),
        changed(fields=[{"name": "a", "offset": 12, "type": "f64"}]),
        changed(fields=[{"name": "a", "offset": -8, "type": "f64"}]),
        changed(fields=[{"name": "a", "offset": 0, "type": "f64", "shape": [3]}]),
        changed(fields=[{"name": "a", "offset": 0, "type": "f64", "shape": [1 << 30, 1 << 30]}]),
        changed(fields=[{"name": "a", "offset": 0, "type": "f64", "shape": [0]}]),
        changed(fields=[{"name": "a", "offset": 0, "type": "u8"}] * 2),
        changed(fields=[{"name": f"f{i}", "offset": 0, "type": "u8"} for i in range(4097)]),
        changed(fields=[{"name": "a", "offset": 0, "type": "chars"}]),
        changed(name="x" * 70_000),
    ],
    ids=range(32),
)
def test_what_is_no_schema_is_an_error_and_nothing_else(consumer, producer, text):
    with pytest.raises(ValueError):
        strata.Type.from_schema(text)
    with producer.batch() as batch:  # nor if it comes out of a store
        QUOTE.put(batch, 1, 1, (1.5, 2))
        batch.put(batch.dimension("strata.types"), QUOTE.tag, text)
    snapshot = consumer.snapshot()
    with pytest.raises(ValueError):
        strata.Type.of(snapshot, snapshot[1, 1])


def test_a_schema_of_another_type_is_not_believed(consumer, producer):
    with producer.batch() as batch:
        QUOTE.put(batch, 1, 1, (1.5, 2))
        trade = strata.Type(QUOTE.dtype, "Trade")
        batch.put(batch.dimension("strata.types"), QUOTE.tag, trade.schema)
    snapshot = consumer.snapshot()
    with pytest.raises(ValueError, match="another type's tag"):
        strata.Type.of(snapshot, snapshot[1, 1])


def test_what_has_no_portable_parts_has_no_schema():
    for dtype in ["c16", "f2", "U4", "M8[s]"]:
        with pytest.raises(TypeError):
            strata.Type(dtype, "Kind").schema
    with pytest.raises(TypeError):
        strata.Type(numpy.dtype(("f4", (3,))), "Vector").schema
