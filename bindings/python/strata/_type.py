# SPDX-License-Identifier: Apache-2.0
"""Type: values of a numpy dtype, under a name that other languages know."""

from . import _schema, _strata

def _is_portable(dtype):
    """Whether its bytes mean the same in every process of this machine: no pointers to objects, no
    foreign byte order."""
    if dtype.subdtype is not None:
        return _is_portable(dtype.subdtype[0])
    if dtype.fields is not None:
        return all(_is_portable(field[0]) for field in dtype.fields.values())
    return not dtype.hasobject and dtype.isnative


_numbers = {}  # by their tags; made when one is asked for, since numpy need not be there


def _has_padding(dtype):
    if dtype.subdtype is not None:
        return _has_padding(dtype.subdtype[0])
    if dtype.names is None:
        return False
    end = 0
    for part, offset in sorted((dtype.fields[name][:2] for name in dtype.names), key=lambda f: f[1]):
        if offset != end or _has_padding(part):
            return True
        end += part.itemsize
    return end != dtype.itemsize


def _copy_fields(given, to):
    """One by one: numpy may copy whole structs, with what lies between."""
    if given.dtype.names is None:
        to[...] = given
    else:
        for name in given.dtype.names:
            _copy_fields(given[name], to[name])


class Type:
    """A dtype, the name that all languages give it, and the tags that are made of both."""

    def __init__(self, dtype, name=None, alignment=None):
        import numpy

        self.dtype = numpy.dtype(dtype)
        if not _is_portable(self.dtype):
            raise TypeError(f"{self.dtype} holds objects, or has another byte order than this machine")
        if self.dtype.itemsize == 0:
            raise TypeError(f"{self.dtype} has no size")
        self.name = _schema.number_name(self.dtype) if name is None else name
        self.alignment = self.dtype.alignment if alignment is None else alignment
        self.tag = _strata.type_tag(self.name, self.dtype.itemsize, self.alignment)
        self.array_tag = _strata.type_tag(self.name, self.dtype.itemsize, self.alignment, True)

    @classmethod
    def from_schema(cls, text):
        """The type that a schema describes; ValueError if it is none."""
        name, alignment, dtype = _schema.read(text)
        return cls(dtype, name, alignment)

    @classmethod
    def of(cls, snapshot, layer):
        """The type of a layer: a number's, or by the schema that the snapshot has of it; KeyError if
        it has none, ValueError if that is none."""
        tag = layer.type_tag
        if not _numbers:
            for name, code in _schema.numbers():
                number = cls(code, name)
                _numbers.update({number.tag: number, number.array_tag: number})
        if tag in _numbers:
            return _numbers[tag]
        schema = snapshot.get(_schema.DIMENSION, tag) if tag != 0 else None
        if schema is None:
            raise KeyError(_strata.type_tag_text(tag))
        found = cls.from_schema(schema.text())
        if tag not in (found.tag, found.array_tag):
            raise ValueError(f"the schema of {found.name!r} lies under another type's tag")
        return found

    @property
    def schema(self):
        """What the type is made of, as a text that any language can read."""
        return _schema.write(self.name, self.alignment, self.dtype)

    def describe(self, batch):
        """Puts the schema where Type.of finds it."""
        types = batch.dimension(_schema.DIMENSION)
        for tag in (self.tag, self.array_tag):
            batch.put(types, tag, self.schema)

    def read(self, layer):
        """Its one value, or all of its values: what was put. Error, type_mismatch, if neither."""
        return self.value(layer) if layer.type_tag == self.tag else self.array(layer)

    def __repr__(self):
        return f"strata.Type({self.dtype!r}, {self.name!r}, {self.alignment})"

    def _put(self, batch, dimension, layer, data, tag, options):
        if self.alignment > 8:  # what every layer has
            options["alignment"] = max(options.get("alignment", 0), self.alignment)
        return batch.put(dimension, layer, data, type_tag=tag, **options)

    def put(self, batch, dimension, layer, value, **options):
        """One value, as the new version of a layer; returns the layer's number."""
        import numpy

        given = numpy.asarray(value, self.dtype)
        if given.ndim != 0:
            raise ValueError(f"one value is wanted, this has the shape {given.shape}: put_array")
        # What lies between fields is this process's memory, which concerns nobody else.
        one = numpy.zeros((), self.dtype)
        _copy_fields(given, one)
        return self._put(batch, dimension, layer, one.tobytes(), self.tag, options)

    def put_array(self, batch, dimension, layer, values, **options):
        """Any number of values in one layer; returns the layer's number."""
        import numpy

        array = numpy.ascontiguousarray(values, self.dtype)
        if _has_padding(self.dtype):  # as above
            given, array = array, numpy.zeros(array.shape, self.dtype)
            _copy_fields(given, array)
        return self._put(batch, dimension, layer, array.view("V1"), self.array_tag, options)

    def value(self, layer):
        """The layer's one value; Error, type_mismatch, if it holds another type."""
        import numpy

        layer._expect(self.name, self.dtype.itemsize, self.alignment, False)
        return numpy.frombuffer(layer, self.dtype, 1)[0]

    def array(self, layer):
        """The layer's values, in place; Error, type_mismatch, if it holds another type."""
        import numpy

        layer._expect(self.name, self.dtype.itemsize, self.alignment, True)
        if len(layer) == 0:  # of which numpy makes no array
            return numpy.empty(0, self.dtype)
        return numpy.frombuffer(layer, self.dtype)
