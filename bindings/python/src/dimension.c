/* SPDX-License-Identifier: Apache-2.0 */
/* Dimension: one dimension of a snapshot, a read-only mapping from layer number to Layer; and the
 * iterators over it, which fetch many layers with one call. */
#include "module.h"

enum { batch = 64 };
enum { mode_numbers, mode_layers, mode_items };

typedef struct {
    PyObject_HEAD strata_snapshot* snapshot;
    uint32_t dimension;
} DimensionObject;

typedef struct {
    PyObject_HEAD strata_snapshot* snapshot; /* the cursor holds it */
    strata_cursor* cursor;                   /* NULL: at the end */
    int mode;
    size_t at;
    size_t count;
    uint64_t numbers[batch];
    strata_layer layers[batch];
} IteratorObject;

PyTypeObject* dimension_type;
static PyTypeObject* iterator_type;

PyObject* make_dimension(strata_snapshot* snapshot, uint32_t dimension) {
    DimensionObject* const self = (DimensionObject*)allocate(dimension_type);
    if (self == NULL) return NULL;
    self->snapshot = strata_snapshot_ref(snapshot);
    self->dimension = dimension;
    return (PyObject*)self;
}

static void dealloc(PyObject* object) {
    strata_snapshot_release(((DimensionObject*)object)->snapshot);
    deallocate(object);
}

static Py_ssize_t length(PyObject* object) {
    const DimensionObject* const self = (DimensionObject*)object;
    uint64_t layers = 0;
    DECLARE_ERROR(error);
    const strata_status status =
        strata_dimension_layers(self->snapshot, self->dimension, &layers, &error);
    if (status != STRATA_OK) {
        raise_error(status, &error);
        return -1;
    }
    return (Py_ssize_t)layers;
}

static PyObject* look_up(PyObject* object, PyObject* layer, PyObject* missing) {
    const DimensionObject* const self = (DimensionObject*)object;
    layer_key key;
    strata_layer found;
    if (!layer_key_of(layer, &key) || !find_layer(self->snapshot, self->dimension, &key, &found)) {
        return NULL;
    }
    return found.data == NULL ? Py_NewRef(missing) : make_layer(self->snapshot, &found);
}

static PyObject* subscript(PyObject* object, PyObject* key) {
    PyObject* const found = look_up(object, key, Py_None);
    if (found == Py_None) {
        Py_DECREF(found);
        PyErr_SetObject(PyExc_KeyError, key);
        return NULL;
    }
    return found;
}

static int contains(PyObject* object, PyObject* key) {
    PyObject* const found = look_up(object, key, Py_None);
    if (found == NULL) return -1;
    const int result = found != Py_None;
    Py_DECREF(found);
    return result;
}

static PyObject* get(PyObject* object, PyObject* const* args, Py_ssize_t count) {
    if (count != 1 && count != 2) return PyErr_Format(PyExc_TypeError, "get(layer, default=None)");
    return look_up(object, args[0], count == 2 ? args[1] : Py_None);
}

static PyObject* gather_method(PyObject* object, PyObject* args, PyObject* keywords) {
    static char* names[] = {"numbers", "out", "state", NULL};
    const DimensionObject* const self = (DimensionObject*)object;
    PyObject* numbers = NULL;
    PyObject* out = NULL;
    PyObject* state = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OO|O", names, &numbers, &out, &state)) {
        return NULL;
    }
    return gather(self->snapshot, self->dimension, numbers, out, state);
}

/* ---- Iterating ------------------------------------------------------------------------------ */

static PyObject* iterate(PyObject* object, int mode) {
    const DimensionObject* const self = (DimensionObject*)object;
    IteratorObject* const iterator = (IteratorObject*)allocate(iterator_type);
    if (iterator == NULL) return NULL;
    DECLARE_ERROR(error);
    const strata_status status =
        strata_cursor_open(self->snapshot, self->dimension, &iterator->cursor, &error);
    if (status != STRATA_OK) {
        Py_DECREF((PyObject*)iterator);
        return raise_error(status, &error);
    }
    iterator->snapshot = strata_snapshot_ref(self->snapshot);
    iterator->mode = mode;
    return (PyObject*)iterator;
}

static PyObject* iterate_numbers(PyObject* object) { return iterate(object, mode_numbers); }

static PyObject* keys(PyObject* object, PyObject* unused) {
    (void)unused;
    return iterate(object, mode_numbers);
}

static PyObject* values(PyObject* object, PyObject* unused) {
    (void)unused;
    return iterate(object, mode_layers);
}

static PyObject* items(PyObject* object, PyObject* unused) {
    (void)unused;
    return iterate(object, mode_items);
}

static PyObject* iterator_next(PyObject* object) {
    IteratorObject* const self = (IteratorObject*)object;
    if (self->at == self->count) {
        if (self->cursor == NULL) return NULL;
        DECLARE_ERROR(error);
        self->at = 0;
        self->count = 0;
        const strata_status status = strata_cursor_next(self->cursor, self->numbers, self->layers,
                                                        batch, &self->count, &error);
        if (status != STRATA_OK) return raise_error(status, &error);
        if (self->count == 0) {
            strata_cursor_close(self->cursor);
            self->cursor = NULL;
            return NULL;
        }
    }
    const size_t at = self->at++;
    if (self->mode == mode_layers) return make_layer(self->snapshot, &self->layers[at]);
    PyObject* const number = PyLong_FromUnsignedLongLong(self->numbers[at]);
    if (number == NULL || self->mode == mode_numbers) return number;
    PyObject* const layer = make_layer(self->snapshot, &self->layers[at]);
    if (layer == NULL) {
        Py_DECREF(number);
        return NULL;
    }
    return Py_BuildValue("(NN)", number, layer);
}

static void iterator_dealloc(PyObject* object) {
    IteratorObject* const self = (IteratorObject*)object;
    strata_cursor_close(self->cursor);
    strata_snapshot_release(self->snapshot);
    deallocate(object);
}

static PyObject* get_number(PyObject* object, void* unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(((DimensionObject*)object)->dimension);
}

static PyObject* representation(PyObject* object) {
    const Py_ssize_t layers = length(object);
    if (layers < 0) return NULL;
    return PyUnicode_FromFormat("<strata.Dimension %u, %zd layers>",
                                (unsigned)((DimensionObject*)object)->dimension, layers);
}

static PyMethodDef methods[] = {
    {"get", (PyCFunction)(void (*)(void))get, METH_FASTCALL, NULL},
    {"gather", (PyCFunction)(void (*)(void))gather_method, METH_VARARGS | METH_KEYWORDS, NULL},
    {"keys", keys, METH_NOARGS, NULL},
    {"values", values, METH_NOARGS, NULL},
    {"items", items, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef fields[] = {
    {"number", get_number, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_dealloc, dealloc},
    {Py_mp_subscript, subscript},
    {Py_mp_length, length},
    {Py_sq_contains, contains},
    {Py_tp_iter, iterate_numbers},
    {Py_tp_methods, methods},
    {Py_tp_getset, fields},
    {Py_tp_repr, representation},
    {Py_tp_doc, "One dimension of a snapshot, as a mapping."},
    {0, NULL},
};
static PyType_Spec spec = {"strata.Dimension", sizeof(DimensionObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

static PyType_Slot iterator_slots[] = {
    {Py_tp_dealloc, iterator_dealloc},
    {Py_tp_iter, PyObject_SelfIter},
    {Py_tp_iternext, iterator_next},
    {0, NULL},
};
static PyType_Spec iterator_spec = {"strata.LayerIterator", sizeof(IteratorObject), 0,
                                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                    iterator_slots};

bool add_dimension_types(PyObject* module) {
    dimension_type = add_type(module, &spec, "Dimension");
    iterator_type = add_type(module, &iterator_spec, "LayerIterator");
    return dimension_type != NULL && iterator_type != NULL;
}
