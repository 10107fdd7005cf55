# SPDX-License-Identifier: Apache-2.0
"""Schemas: what a type is made of, as a text in JSON that any language can write and read.

    {"name": "Quote", "size": 16, "alignment": 8, "fields": [
        {"name": "price", "type": "f64", "offset": 0},
        {"name": "size", "type": "u64", "offset": 8}]}

docs/python.md has the rules. Whoever wrote the store may be hostile: a text is taken for nothing
that numpy has not checked, and what it may ask for is bounded.
"""

import json

# Where schemas lie: a dimension of this name, layers with tags as their numbers.
DIMENSION = "strata.types"

_NUMBERS = {"bool": "?", "f32": "f4", "f64": "f8"}
_NUMBERS.update({f"{kind}{8 * size}": f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)})
_NAMES = {code: name for name, code in _NUMBERS.items()}
_OPAQUE = {"bytes": "V", "chars": "S"}

_MOST_BYTES = 1 << 16  # of a text
_MOST_FIELDS = 4096  # in all, those of fields included
_MOST_DEPTH = 16


def number_name(dtype):
    """f64, u8 ...; TypeError if it is no number that all languages know."""
    code = "?" if dtype.kind == "b" else f"{dtype.kind}{dtype.itemsize}"
    if code not in _NAMES:
        raise TypeError(f"{dtype} has no name that all languages know: give it one")
    return _NAMES[code]


def numbers():
    """The types that need no schema: name and dtype's code."""
    return _NUMBERS.items()


def write(name, alignment, dtype):
    """The schema of a type. TypeError: it has parts that other languages do not know."""
    if dtype.subdtype is not None:
        raise TypeError(f"{dtype} is an array: describe what it is made of")
    described = {"name": name, "size": dtype.itemsize, "alignment": alignment, **_describe(dtype)}
    text = json.dumps(described, separators=(",", ":"))
    read(text)  # what cannot be read back is not written
    return text


def read(text):
    """Name, alignment and dtype; ValueError if it is no schema."""
    import numpy

    if len(text) > _MOST_BYTES:
        raise ValueError(f"a schema has at most {_MOST_BYTES} bytes, this one {len(text)}")
    try:
        described = json.loads(text)
        reader = _Reader(numpy)
        dtype = reader.dtype(described, 0)
        if dtype.subdtype is not None:
            raise TypeError("a type as a whole has no shape, its fields may")
        name = reader.text(described, "name")
        size = reader.number(described, "size")
        alignment = reader.number(described, "alignment")
    except (KeyError, TypeError, RecursionError, UnicodeError, json.JSONDecodeError) as error:
        raise ValueError(f"not a schema: {error!r}") from None
    if dtype.itemsize != size:
        raise ValueError(f"the schema of {name!r} says {size} bytes, its parts make {dtype.itemsize}")
    if alignment == 0 or alignment & (alignment - 1) != 0:
        raise ValueError(f"the schema of {name!r}: an alignment is a power of two, not {alignment}")
    return name, alignment, dtype


def _describe(dtype):
    if dtype.subdtype is not None:
        element, shape = dtype.subdtype
        return {**_describe(element), "shape": list(shape)}
    if dtype.names is not None:
        fields = [
            {"name": name, "offset": dtype.fields[name][1], **_describe(dtype.fields[name][0])}
            for name in dtype.names
        ]
        return {"size": dtype.itemsize, "fields": fields}
    for name, kind in _OPAQUE.items():
        if dtype.kind == kind:
            return {"type": name, "size": dtype.itemsize}
    return {"type": number_name(dtype)}


class _Reader:
    """One text; counts what it has asked for."""

    def __init__(self, numpy):
        self._numpy = numpy
        self._fields = 0

    def number(self, described, key):
        value = described[key]
        if type(value) is not int or not 0 <= value < 1 << 31:
            raise TypeError(f"{key} is a number, not {value!r:.40}")
        return value

    def text(self, described, key):
        value = described[key]
        if type(value) is not str or not value:
            raise TypeError(f"{key} is a text, not {value!r:.40}")
        return value

    def dtype(self, described, depth):
        if depth > _MOST_DEPTH:
            raise ValueError(f"a schema is at most {_MOST_DEPTH} deep")
        shape = described.get("shape", []) if type(described) is dict else None
        if type(shape) is not list:
            raise TypeError("a type is an object, its shape a list of numbers")
        for length in shape:
            if type(length) is not int or not 0 < length < 1 << 31:
                raise TypeError(f"a shape is made of numbers, not {length!r:.40}")
        one = self._one(described, depth)
        return self._numpy.dtype((one, tuple(shape))) if shape else one

    def _one(self, described, depth):
        if "fields" in described:
            fields = [(self.text(f, "name"), self.number(f, "offset"), f) for f in described["fields"]]
            self._fields += len(fields)
            if self._fields > _MOST_FIELDS:
                raise ValueError(f"a schema has at most {_MOST_FIELDS} fields")
            size = self.number(described, "size")
            return self._numpy.dtype({  # which checks that they fit
                "names": [name for name, _, _ in fields],
                "offsets": [offset for _, offset, _ in fields],
                "formats": [self.dtype(f, depth + 1) for _, _, f in fields],
                "itemsize": size,
            })
        name = self.text(described, "type")
        if name in _OPAQUE:
            size = self.number(described, "size")
            return self._numpy.dtype(f"{_OPAQUE[name]}{size}")
        return self._numpy.dtype(_NUMBERS[name])
