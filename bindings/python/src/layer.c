/* SPDX-License-Identifier: Apache-2.0 */
/* Layer: one layer's bytes in place (buffer protocol, read-only), and what is stored beside them.
 */
#include "module.h"

PyTypeObject* layer_type;

PyObject* make_layer(strata_snapshot* snapshot, const strata_layer* layer) {
    if (layer->data == NULL) Py_RETURN_NONE;
    LayerObject* const self = (LayerObject*)allocate(layer_type);
    if (self == NULL) return NULL;
    self->snapshot = strata_snapshot_ref(snapshot);
    self->layer = *layer;
    return (PyObject*)self;
}

static void dealloc(PyObject* object) {
    strata_snapshot_release(((LayerObject*)object)->snapshot);
    deallocate(object);
}

static int get_buffer(PyObject* object, Py_buffer* view, int flags) {
    const LayerObject* const self = (LayerObject*)object;
    /* The view holds a reference to the layer, the layer one to the snapshot. */
    return PyBuffer_FillInfo(view, object, (void*)(uintptr_t)self->layer.data,
                             (Py_ssize_t)self->layer.size, 1, flags);
}

static Py_ssize_t length(PyObject* object) {
    return (Py_ssize_t)((LayerObject*)object)->layer.size;
}

/* Through a guard: a file that is cut short is an exception, not the end of the process. */
static PyObject* to_bytes(PyObject* object, PyObject* unused) {
    (void)unused;
    const LayerObject* const self = (LayerObject*)object;
    PyObject* const bytes = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)self->layer.size);
    if (bytes == NULL) return NULL;
    DECLARE_ERROR(error);
    const strata_status status = strata_layer_copy(&self->layer, 0, PyBytes_AsString(bytes),
                                                   (size_t)self->layer.size, &error);
    if (status != STRATA_OK) {
        Py_DECREF(bytes);
        return raise_error(status, &error);
    }
    return bytes;
}

static PyObject* to_text(PyObject* object, PyObject* unused) {
    PyObject* const bytes = to_bytes(object, unused);
    if (bytes == NULL) return NULL;
    PyObject* const text = PyUnicode_FromEncodedObject(bytes, "utf-8", "strict");
    Py_DECREF(bytes);
    return text;
}

static PyObject* verify(PyObject* object, PyObject* unused) {
    (void)unused;
    DECLARE_ERROR(error);
    const strata_status status = strata_layer_verify(&((LayerObject*)object)->layer, &error);
    if (status == STRATA_OK) Py_RETURN_TRUE;
    if (status == STRATA_CORRUPT) Py_RETURN_FALSE;
    return raise_error(status, &error);
}

/* Raises strata.Error, type_mismatch, unless the payload can be read as that type. */
static PyObject* expect(PyObject* object, PyObject* args) {
    strata_type type = {0};
    uint64_t size = 0;
    uint64_t alignment = 0;
    int array = 0;
    Py_ssize_t name_size = 0;
    if (!PyArg_ParseTuple(args, "s#O&O&p", &type.name, &name_size, as_uint64, &size, as_uint64,
                          &alignment, &array)) {
        return NULL;
    }
    type.name_size = (size_t)name_size;
    type.size = size;
    type.alignment = alignment;
    type.array = (uint32_t)array;
    DECLARE_ERROR(error);
    const strata_status status = strata_layer_expect(&((LayerObject*)object)->layer, &type, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static bool describe(PyObject* object, strata_layer_info* info) {
    DECLARE_ERROR(error);
    info->struct_size = (uint32_t)sizeof *info;
    const strata_status status =
        strata_layer_describe(&((LayerObject*)object)->layer, info, &error);
    if (status != STRATA_OK) raise_error(status, &error);
    return status == STRATA_OK;
}

enum {
    field_dimension,
    field_number,
    field_generation,
    field_frequency,
    field_checksum,
    field_type_tag,
    field_name
};

static PyObject* get_field(PyObject* object, void* which) {
    strata_layer_info info;
    if (!describe(object, &info)) return NULL;
    switch ((int)(intptr_t)which) {
        case field_dimension: return PyLong_FromUnsignedLong(info.dimension);
        case field_number: return PyLong_FromUnsignedLongLong(info.layer);
        case field_generation: return PyLong_FromUnsignedLongLong(info.generation);
        case field_frequency: return PyFloat_FromDouble(info.frequency);
        case field_checksum: return PyLong_FromUnsignedLongLong(info.checksum);
        case field_type_tag: return PyLong_FromUnsignedLongLong(info.type_tag);
        default:
            if (info.name.size == 0) Py_RETURN_NONE;
            return text_object(info.name);
    }
}

static PyObject* get_keywords(PyObject* object, void* unused) {
    (void)unused;
    strata_layer_info info;
    if (!describe(object, &info)) return NULL;
    const size_t room = (size_t)info.keywords;
    strata_string* const keywords = PyMem_Calloc(room == 0 ? 1 : room, sizeof *keywords);
    if (keywords == NULL) return PyErr_NoMemory();
    size_t count = 0;
    DECLARE_ERROR(error);
    const strata_status status =
        strata_layer_keywords(&((LayerObject*)object)->layer, 0, keywords, room, &count, &error);
    PyObject* tuple = status == STRATA_OK ? PyTuple_New((Py_ssize_t)count) : NULL;
    if (status != STRATA_OK) raise_error(status, &error);
    for (size_t i = 0; tuple != NULL && i < count; ++i) {
        PyObject* const word = text_object(keywords[i]);
        if (word == NULL || PyTuple_SetItem(tuple, (Py_ssize_t)i, word) < 0) Py_CLEAR(tuple);
    }
    PyMem_Free(keywords);
    return tuple;
}

static PyObject* representation(PyObject* object) {
    strata_layer_info info;
    if (!describe(object, &info)) return NULL;
    return PyUnicode_FromFormat("<strata.Layer %u/%llu, %llu bytes, generation %llu>",
                                (unsigned)info.dimension, (unsigned long long)info.layer,
                                (unsigned long long)((LayerObject*)object)->layer.size,
                                (unsigned long long)info.generation);
}

static PyMethodDef methods[] = {
    {"__bytes__", to_bytes, METH_NOARGS, NULL},
    {"text", to_text, METH_NOARGS, "The payload as text: UTF-8."},
    {"verify", verify, METH_NOARGS, "Whether the checksum matches."},
    {"_expect", expect, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

#define FIELD(name, which) \
    { name, get_field, NULL, NULL, (void*)(intptr_t)(which) }
static PyGetSetDef fields[] = {
    FIELD("dimension", field_dimension),
    FIELD("number", field_number),
    FIELD("generation", field_generation),
    FIELD("frequency", field_frequency),
    FIELD("checksum", field_checksum),
    FIELD("type_tag", field_type_tag),
    FIELD("name", field_name),
    {"keywords", get_keywords, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, dealloc},
    {Py_bf_getbuffer, get_buffer},
    {Py_sq_length, length},
    {Py_tp_methods, methods},
    {Py_tp_getset, fields},
    {Py_tp_repr, representation},
    {Py_tp_doc, "One layer, in place: bytes(layer), memoryview(layer), numpy.frombuffer(layer)."},
    {0, NULL},
};
static PyType_Spec spec = {"strata.Layer", sizeof(LayerObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

bool add_layer_type(PyObject* module) {
    layer_type = add_type(module, &spec, "Layer");
    return layer_type != NULL;
}
