/* SPDX-License-Identifier: Apache-2.0 */
/* Batch: changes that are published together, or dropped. */
#include <string.h>

#include "producing.h"

static PyTypeObject* batch_type;

/* Larger payloads are copied without the GIL. */
static const Py_ssize_t large_bytes = 64 * 1024;

static void raise_busy(void) {
    PyErr_SetString(PyExc_RuntimeError, "another thread uses the batch");
}

static bool usable(BatchObject* self) {
    if (self->batch == NULL) {
        raise_closed("batch");
    } else if (self->busy) {
        raise_busy();
    } else if (self->exports > 0) {
        PyErr_SetString(PyExc_BufferError, "memory on loan from the batch is in use: release it");
    } else {
        ++self->changes;
        return true;
    }
    return false;
}

void end_batch(BatchObject* self) {
    strata_batch_free(self->batch);
    self->batch = NULL;
    ++self->changes;
    for (BatchObject** at = &self->producer->batches; *at != NULL; at = &(*at)->next) {
        if (*at == self) {
            *at = self->next;
            break;
        }
    }
    self->next = NULL;
}

static void batch_dealloc(PyObject* object) {
    BatchObject* const self = (BatchObject*)object;
    if (self->producer != NULL) {
        if (self->batch != NULL) end_batch(self);
        Py_DECREF((PyObject*)self->producer);
    }
    deallocate(object);
}

PyObject* make_batch(ProducerObject* producer) {
    BatchObject* const self = (BatchObject*)allocate(batch_type);
    if (self == NULL) return NULL;
    self->producer = (ProducerObject*)Py_NewRef((PyObject*)producer);
    DECLARE_ERROR(error);
    const strata_status status = strata_batch_new(producer->producer, &self->batch, &error);
    if (status != STRATA_OK) {
        Py_DECREF((PyObject*)self);
        return raise_error(status, &error);
    }
    self->next = self->producer->batches;
    self->producer->batches = self;
    return (PyObject*)self;
}

/* Options of put and loan; `words` is what the keywords' memory belongs to. */
typedef struct {
    strata_layer_options options;
    PyObject* tuple;
    strata_string* words;
} layer_options;

static void drop_options(layer_options* o) {
    Py_XDECREF(o->tuple);
    PyMem_Free(o->words);
}

static bool read_options(layer_options* o, double frequency, PyObject* keywords, unsigned alignment,
                         unsigned long long type_tag) {
    *o = (layer_options){STRATA_LAYER_OPTIONS_INIT, NULL, NULL};
    o->options.frequency = frequency;
    o->options.alignment = alignment;
    o->options.type_tag = type_tag;
    if (keywords == Py_None) return true;
    if (PyUnicode_Check(keywords)) { /* a sequence of its letters, which nobody means */
        PyErr_SetString(PyExc_TypeError, "keywords is a sequence of str, not one");
        return false;
    }
    o->tuple = PySequence_Tuple(keywords);
    if (o->tuple == NULL) return false;
    const Py_ssize_t count = PyTuple_Size(o->tuple);
    o->words = PyMem_Calloc((size_t)(count == 0 ? 1 : count), sizeof *o->words);
    if (o->words == NULL) {
        PyErr_NoMemory();
        drop_options(o);
        return false;
    }
    for (Py_ssize_t i = 0; i < count; ++i) {
        Py_ssize_t size = 0;
        PyObject* const word = PyTuple_GetItem(o->tuple, i);
        if (PyUnicode_Check(word)) {
            o->words[i].data = PyUnicode_AsUTF8AndSize(word, &size);
        } else {
            PyErr_SetString(PyExc_TypeError, "a keyword is a str");
        }
        if (o->words[i].data == NULL) {
            drop_options(o);
            return false;
        }
        o->words[i].size = (size_t)size;
    }
    o->options.keywords = o->words;
    o->options.keyword_count = (size_t)count;
    return true;
}

/* A payload: what has a buffer, or a str as UTF-8. */
static bool payload_of(PyObject* data, Py_buffer* view) {
    if (!PyUnicode_Check(data)) return PyObject_GetBuffer(data, view, PyBUF_CONTIG_RO) == 0;
    Py_ssize_t size = 0;
    const char* const text = PyUnicode_AsUTF8AndSize(data, &size);
    return text != NULL &&
           PyBuffer_FillInfo(view, data, (void*)(uintptr_t)text, size, 1, PyBUF_SIMPLE) == 0;
}

static PyObject* put(PyObject* object, PyObject* args, PyObject* keywords) {
    static char* names[] = {"dimension", "layer",     "data",     "frequency",
                            "keywords",  "alignment", "type_tag", NULL};
    BatchObject* const self = (BatchObject*)object;
    PyObject* dimension = NULL;
    PyObject* layer = NULL;
    PyObject* data = NULL;
    PyObject* words = Py_None;
    double frequency = 0;
    uint32_t alignment = 0;
    uint64_t type_tag = 0;
    uint32_t number = 0;
    layer_key key;
    layer_options options;
    Py_buffer view;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO|dOO&O&", names, &dimension, &layer, &data,
                                     &frequency, &words, as_uint32, &alignment, as_uint64,
                                     &type_tag) ||
        !dimension_number_of(dimension, &number) || !layer_key_of(layer, &key) ||
        !read_options(&options, frequency, words, alignment, type_tag)) {
        return NULL;
    }
    if (!payload_of(data, &view)) {
        drop_options(&options);
        return NULL;
    }
    uint64_t put_as = key.number;
    PyObject* result = NULL;
    if (usable(self)) {
        DECLARE_ERROR(error);
        strata_status status = STRATA_OK;
        self->busy = view.len >= large_bytes; /* before another thread can run */
        PyThreadState* const thread = self->busy ? PyEval_SaveThread() : NULL;
        status =
            key.name == NULL
                ? strata_put(self->batch, number, key.number, view.buf, (size_t)view.len,
                             &options.options, &error)
                : strata_put_name(self->batch, number, key.name, (size_t)key.name_size, view.buf,
                                  (size_t)view.len, &options.options, &put_as, &error);
        if (thread != NULL) PyEval_RestoreThread(thread);
        self->busy = false;
        result =
            status == STRATA_OK ? PyLong_FromUnsignedLongLong(put_as) : raise_error(status, &error);
    }
    PyBuffer_Release(&view);
    drop_options(&options);
    return result;
}

static PyObject* loan(PyObject* object, PyObject* args, PyObject* keywords) {
    static char* names[] = {"dimension", "layer",     "size",     "frequency",
                            "keywords",  "alignment", "type_tag", NULL};
    BatchObject* const self = (BatchObject*)object;
    PyObject* dimension = NULL;
    PyObject* layer = NULL;
    Py_ssize_t size = 0;
    PyObject* words = Py_None;
    double frequency = 0;
    uint32_t alignment = 0;
    uint64_t type_tag = 0;
    uint32_t number = 0;
    layer_key key;
    layer_options options;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOn|dOO&O&", names, &dimension, &layer, &size,
                                     &frequency, &words, as_uint32, &alignment, as_uint64,
                                     &type_tag) ||
        !dimension_number_of(dimension, &number) || !layer_key_of(layer, &key)) {
        return NULL;
    }
    if (size < 0) return PyErr_Format(PyExc_ValueError, "a size is not negative");
    if (!read_options(&options, frequency, words, alignment, type_tag)) return NULL;
    void* room = NULL;
    DECLARE_ERROR(error);
    strata_status status = STRATA_OK;
    const bool can = usable(self);
    if (can) {
        status = key.name == NULL
                     ? strata_loan(self->batch, number, key.number, (size_t)size, &options.options,
                                   &room, &error)
                     : strata_loan_name(self->batch, number, key.name, (size_t)key.name_size,
                                        (size_t)size, &options.options, &room, NULL, &error);
    }
    drop_options(&options);
    if (!can) return NULL;
    if (status != STRATA_OK) return raise_error(status, &error);
    memset(room, 0, (size_t)size); /* it is published whether it gets filled or not */
    return make_loan(self, room, size);
}

static PyObject* erase(PyObject* object, PyObject* args) {
    BatchObject* const self = (BatchObject*)object;
    PyObject* dimension = NULL;
    PyObject* layer = NULL;
    uint32_t number = 0;
    layer_key key;
    if (!PyArg_ParseTuple(args, "OO", &dimension, &layer) ||
        !dimension_number_of(dimension, &number) || !layer_key_of(layer, &key) || !usable(self)) {
        return NULL;
    }
    DECLARE_ERROR(error);
    const strata_status status =
        key.name == NULL
            ? strata_erase(self->batch, number, key.number, &error)
            : strata_erase_name(self->batch, number, key.name, (size_t)key.name_size, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static PyObject* remove_dimension(PyObject* object, PyObject* dimension) {
    BatchObject* const self = (BatchObject*)object;
    uint32_t number = 0;
    if (!dimension_number_of(dimension, &number) || !usable(self)) return NULL;
    DECLARE_ERROR(error);
    const strata_status status = strata_remove_dimension(self->batch, number, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static PyObject* clear_dimension(PyObject* object, PyObject* dimension) {
    BatchObject* const self = (BatchObject*)object;
    uint32_t number = 0;
    if (!dimension_number_of(dimension, &number) || !usable(self)) return NULL;
    DECLARE_ERROR(error);
    const strata_status status = strata_clear_dimension(self->batch, number, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static PyObject* dimension_by_name(PyObject* object, PyObject* name) {
    BatchObject* const self = (BatchObject*)object;
    Py_ssize_t size = 0;
    if (!PyUnicode_Check(name)) {
        return PyErr_Format(PyExc_TypeError, "the name of a dimension is a str");
    }
    const char* const text = PyUnicode_AsUTF8AndSize(name, &size);
    if (text == NULL || !usable(self)) return NULL;
    uint32_t number = 0;
    DECLARE_ERROR(error);
    const strata_status status =
        strata_batch_dimension(self->batch, text, (size_t)size, &number, &error);
    return status == STRATA_OK ? PyLong_FromUnsignedLong(number) : raise_error(status, &error);
}

static PyObject* name_dimension(PyObject* object, PyObject* args) {
    BatchObject* const self = (BatchObject*)object;
    PyObject* dimension = NULL;
    const char* name = NULL;
    Py_ssize_t size = 0;
    uint32_t number = 0;
    if (!PyArg_ParseTuple(args, "Os#", &dimension, &name, &size) ||
        !dimension_number_of(dimension, &number) || !usable(self)) {
        return NULL;
    }
    DECLARE_ERROR(error);
    const strata_status status =
        strata_name_dimension(self->batch, number, name, (size_t)size, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static PyObject* crystallize(PyObject* object, PyObject* unused) {
    (void)unused;
    BatchObject* const self = (BatchObject*)object;
    if (!usable(self)) return NULL;
    uint64_t generation = 0;
    DECLARE_ERROR(error);
    strata_status status = STRATA_OK;
    self->busy = true;
    Py_BEGIN_ALLOW_THREADS status = strata_crystallize(self->batch, &generation, &error);
    Py_END_ALLOW_THREADS self->busy = false;
    return status == STRATA_OK ? PyLong_FromUnsignedLongLong(generation)
                               : raise_error(status, &error);
}

static PyObject* clear(PyObject* object, PyObject* unused) {
    (void)unused;
    if (!usable((BatchObject*)object)) return NULL;
    strata_batch_clear(((BatchObject*)object)->batch);
    Py_RETURN_NONE;
}

static PyObject* close_batch(PyObject* object, PyObject* unused) {
    (void)unused;
    BatchObject* const self = (BatchObject*)object;
    if (self->batch == NULL) Py_RETURN_NONE;
    if (!usable(self)) return NULL;
    end_batch(self);
    Py_RETURN_NONE;
}

static Py_ssize_t batch_length(PyObject* object) {
    BatchObject* const self = (BatchObject*)object;
    if (self->busy) {
        raise_busy();
        return -1;
    }
    return (Py_ssize_t)strata_batch_size(self->batch);
}

static PyObject* enter_batch(PyObject* object, PyObject* unused) {
    (void)unused;
    return ((BatchObject*)object)->batch == NULL ? raise_closed("batch") : Py_NewRef(object);
}

/* Without an exception: publishes. With one: drops the changes. */
static PyObject* leave_batch(PyObject* object, PyObject* args) {
    PyObject* type = Py_None;
    if (PyTuple_Size(args) > 0) type = PyTuple_GetItem(args, 0);
    if (type == Py_None && ((BatchObject*)object)->batch != NULL) {
        PyObject* const generation = crystallize(object, NULL);
        if (generation == NULL) return NULL;
        Py_DECREF(generation);
    }
    return close_batch(object, NULL);
}

static PyMethodDef batch_methods[] = {
    {"put", WITH_KEYWORDS(put), NULL},
    {"loan", WITH_KEYWORDS(loan), NULL},
    {"erase", erase, METH_VARARGS, NULL},
    {"remove_dimension", remove_dimension, METH_O, NULL},
    {"clear_dimension", clear_dimension, METH_O, NULL},
    {"dimension", dimension_by_name, METH_O, NULL},
    {"name_dimension", name_dimension, METH_VARARGS, NULL},
    {"crystallize", crystallize, METH_NOARGS, NULL},
    {"clear", clear, METH_NOARGS, NULL},
    {"close", close_batch, METH_NOARGS, NULL},
    {"__enter__", enter_batch, METH_NOARGS, NULL},
    {"__exit__", leave_batch, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot batch_slots[] = {
    {Py_tp_dealloc, batch_dealloc},
    {Py_tp_methods, batch_methods},
    {Py_sq_length, batch_length},
    {Py_tp_doc, "Changes that become visible together, or not at all."},
    {0, NULL},
};
static PyType_Spec batch_spec = {"strata.Batch", sizeof(BatchObject), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
                                 batch_slots};

bool add_batch_type(PyObject* module) {
    batch_type = add_type(module, &batch_spec, "Batch");
    return batch_type != NULL;
}
