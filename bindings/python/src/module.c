/* SPDX-License-Identifier: Apache-2.0 */
/* The module strata._strata: what its types share, and the functions on stores as a whole. */
#include "module.h"

#include <string.h>

PyObject* strata_error_type;

static bool set_attribute(PyObject* object, const char* name, PyObject* value) {
    const bool ok = value != NULL && PyObject_SetAttrString(object, name, value) == 0;
    Py_XDECREF(value);
    return ok;
}

static PyObject* text_of(const char* text) {
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)strlen(text), "replace");
}

PyObject* raise_error(strata_status status, const strata_error* error) {
    if (status == STRATA_OUT_OF_MEMORY) return PyErr_NoMemory();
    PyObject* exception = PyObject_CallFunction(strata_error_type, "N", text_of(error->message));
    if (exception == NULL) return NULL;
    const bool ok =
        set_attribute(exception, "code", PyUnicode_FromString(strata_status_name(status))) &&
        set_attribute(exception, "number", PyLong_FromLong(status)) &&
        set_attribute(exception, "operation", text_of(error->operation)) &&
        set_attribute(exception, "path", text_of(error->path)) &&
        set_attribute(exception, "hint", text_of(error->hint)) &&
        set_attribute(exception, "errno", PyLong_FromLong(error->os_error)) &&
        set_attribute(exception, "needed", PyLong_FromUnsignedLongLong(error->needed)) &&
        set_attribute(exception, "limit", PyLong_FromUnsignedLongLong(error->limit)) &&
        set_attribute(exception, "current", PyLong_FromUnsignedLongLong(error->current));
    if (ok) PyErr_SetObject(strata_error_type, exception);
    Py_DECREF(exception);
    return NULL;
}

PyObject* raise_closed(const char* what) {
    return PyErr_Format(PyExc_ValueError, "the %s is closed", what);
}

PyObject* allocate(PyTypeObject* type) {
    return ((allocfunc)PyType_GetSlot(type, Py_tp_alloc))(type, 0);
}

void deallocate(PyObject* object) {
    PyTypeObject* const type = Py_TYPE(object);
    ((freefunc)PyType_GetSlot(type, Py_tp_free))(object);
    Py_DECREF(type);
}

PyTypeObject* add_type(PyObject* module, PyType_Spec* spec, const char* name) {
    PyObject* type = PyType_FromSpec(spec);
    if (type != NULL && PyModule_AddObjectRef(module, name, type) < 0) Py_CLEAR(type);
    return (PyTypeObject*)type; /* the module's reference and ours: types live for ever */
}

/* ---- Arguments ----------------------------------------------------------------------------- */

bool layer_key_of(PyObject* object, layer_key* key) {
    if (PyLong_Check(object)) {
        key->name = NULL;
        key->number = PyLong_AsUnsignedLongLong(object);
        return key->number != (uint64_t)-1 || !PyErr_Occurred();
    }
    if (PyUnicode_Check(object)) {
        key->name = PyUnicode_AsUTF8AndSize(object, &key->name_size);
        return key->name != NULL;
    }
    if (PyBytes_Check(object)) {
        char* name = NULL;
        if (PyBytes_AsStringAndSize(object, &name, &key->name_size) < 0) return false;
        key->name = name;
        return true;
    }
    /* Whatever is a number by __index__, numpy's integers above all. */
    PyObject* const number = PyNumber_Index(object);
    if (number == NULL) {
        PyErr_SetString(PyExc_TypeError, "a layer is named by an int, a str or bytes");
        return false;
    }
    key->name = NULL;
    key->number = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    return key->number != (uint64_t)-1 || !PyErr_Occurred();
}

bool bookmark_name_of(PyObject* object, layer_key* name) {
    if (PyUnicode_Check(object) || PyBytes_Check(object)) return layer_key_of(object, name);
    PyErr_SetString(PyExc_TypeError, "a bookmark's name is a str or bytes");
    return false;
}

bool dimension_number_of(PyObject* object, uint32_t* number) {
    unsigned long value = 0;
    if (PyLong_Check(object)) {
        value = PyLong_AsUnsignedLong(object);
    } else {
        PyObject* const index = PyNumber_Index(object);
        if (index == NULL) return false;
        value = PyLong_AsUnsignedLong(index);
        Py_DECREF(index);
    }
    if (value == (unsigned long)-1 && PyErr_Occurred()) return false;
    if (value > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "the number of a dimension has 32 bits");
        return false;
    }
    *number = (uint32_t)value;
    return true;
}

int dimension_of(const strata_snapshot* snapshot, PyObject* object, uint32_t* number) {
    if (!PyUnicode_Check(object)) return dimension_number_of(object, number) ? 1 : -1;
    Py_ssize_t size = 0;
    const char* const name = PyUnicode_AsUTF8AndSize(object, &size);
    if (name == NULL) return -1;
    DECLARE_ERROR(error);
    const strata_status status =
        strata_dimension_number(snapshot, name, (size_t)size, number, &error);
    if (status == STRATA_DIMENSION_NOT_FOUND) return 0;
    if (status != STRATA_OK) {
        raise_error(status, &error);
        return -1;
    }
    return 1;
}

bool path_of(PyObject* object, PyObject** bytes, const char** path) {
    *bytes = NULL;
    *path = NULL;
    if (object == NULL || object == Py_None) return true;
    if (!PyUnicode_FSConverter(object, bytes)) return false;
    *path = PyBytes_AsString(*bytes); /* the converter refuses embedded zeros */
    return true;
}

int as_uint64(PyObject* object, void* to) {
    PyObject* const number = PyNumber_Index(object);
    if (number == NULL) return 0;
    const uint64_t value = PyLong_AsUnsignedLongLong(number);
    Py_DECREF(number);
    if (value == (uint64_t)-1 && PyErr_Occurred()) return 0;
    *(uint64_t*)to = value;
    return 1;
}

int as_uint32(PyObject* object, void* to) {
    uint64_t value = 0;
    if (!as_uint64(object, &value)) return 0;
    if (value > UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "the number has more than 32 bits");
        return 0;
    }
    *(uint32_t*)to = (uint32_t)value;
    return 1;
}

bool seconds_of(PyObject* object, bool* limited, int64_t* ns) {
    *limited = object != Py_None;
    if (!*limited) return true;
    const double seconds = PyFloat_AsDouble(object);
    if (seconds == -1.0 && PyErr_Occurred()) return false;
    if (!(seconds >= 0)) {
        PyErr_SetString(PyExc_ValueError, "a time is not negative; None: for ever");
        return false;
    }
    *limited = seconds < 1e9; /* 30 years: for ever */
    if (*limited) *ns = (int64_t)(seconds * 1e9);
    return true;
}

PyObject* text_object(strata_string string) {
    return PyUnicode_DecodeUTF8(string.data, (Py_ssize_t)string.size, "surrogateescape");
}

PyObject* owned_text_object(char* text, size_t size) {
    PyObject* const object = PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
    strata_free(text);
    return object;
}

/* ---- Stores as a whole ---------------------------------------------------------------------- */

static PyObject* stores(PyObject* module, PyObject* base) {
    (void)module;
    PyObject* bytes = NULL;
    const char* path = NULL;
    if (!path_of(base, &bytes, &path)) return NULL;
    strata_store_list* list = NULL;
    DECLARE_ERROR(error);
    const strata_status status = strata_list_stores(path, &list, &error);
    Py_XDECREF(bytes);
    if (status != STRATA_OK) return raise_error(status, &error);
    const size_t count = strata_store_list_size(list);
    PyObject* names = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; names != NULL && i < count; ++i) {
        PyObject* const name = text_object(strata_store_list_name(list, i));
        if (name == NULL || PyList_SetItem(names, (Py_ssize_t)i, name) < 0) Py_CLEAR(names);
    }
    strata_store_list_free(list);
    return names;
}

static PyObject* remove_store(PyObject* module, PyObject* args) {
    (void)module;
    const char* name = NULL;
    Py_ssize_t size = 0;
    PyObject* base = NULL;
    PyObject* bytes = NULL;
    const char* path = NULL;
    if (!PyArg_ParseTuple(args, "s#O", &name, &size, &base) || !path_of(base, &bytes, &path)) {
        return NULL;
    }
    DECLARE_ERROR(error);
    const strata_status status = strata_remove_store(name, (size_t)size, path, &error);
    Py_XDECREF(bytes);
    if (status != STRATA_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static PyObject* statistics_json(PyObject* module, PyObject* args) {
    (void)module;
    const char* name = NULL;
    Py_ssize_t name_size = 0;
    PyObject* base = NULL;
    PyObject* bytes = NULL;
    const char* path = NULL;
    char* json = NULL;
    size_t size = 0;
    if (!PyArg_ParseTuple(args, "s#O", &name, &name_size, &base) || !path_of(base, &bytes, &path)) {
        return NULL;
    }
    DECLARE_ERROR(error);
    const strata_status status =
        strata_statistics_json(name, (size_t)name_size, path, &json, &size, &error);
    Py_XDECREF(bytes);
    if (status != STRATA_OK) return raise_error(status, &error);
    return owned_text_object(json, size);
}

static PyObject* layer_number(PyObject* module, PyObject* name) {
    (void)module;
    layer_key key;
    if (!layer_key_of(name, &key)) return NULL;
    if (key.name == NULL) return PyErr_Format(PyExc_TypeError, "a name is a str or bytes");
    return PyLong_FromUnsignedLongLong(strata_layer_number(key.name, (size_t)key.name_size));
}

static PyObject* type_tag(PyObject* module, PyObject* args) {
    (void)module;
    strata_type type = {0};
    uint64_t size = 0;
    uint64_t alignment = 0;
    int array = 0;
    Py_ssize_t name_size = 0;
    if (!PyArg_ParseTuple(args, "s#O&O&|p", &type.name, &name_size, as_uint64, &size, as_uint64,
                          &alignment, &array)) {
        return NULL;
    }
    type.name_size = (size_t)name_size;
    type.size = size;
    type.alignment = alignment;
    type.array = (uint32_t)array;
    return PyLong_FromUnsignedLongLong(strata_type_tag(&type));
}

static PyObject* type_tag_text(PyObject* module, PyObject* tag) {
    (void)module;
    char* text = NULL;
    size_t size = 0;
    const uint64_t number = PyLong_AsUnsignedLongLong(tag);
    if (number == (uint64_t)-1 && PyErr_Occurred()) return NULL;
    DECLARE_ERROR(error);
    const strata_status status = strata_type_tag_text(number, &text, &size, &error);
    return status == STRATA_OK ? owned_text_object(text, size) : raise_error(status, &error);
}

static PyMethodDef functions[] = {
    {"stores", stores, METH_O, NULL},
    {"remove_store", remove_store, METH_VARARGS, NULL},
    {"statistics_json", statistics_json, METH_VARARGS, NULL},
    {"layer_number", layer_number, METH_O, NULL},
    {"type_tag", type_tag, METH_VARARGS, NULL},
    {"type_tag_text", type_tag_text, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "strata._strata",
    .m_doc = "The C half of the package strata; use that.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC PyInit__strata(void) {
    PyObject* const module = PyModule_Create(&definition);
    if (module == NULL) return NULL;
    strata_error_type = PyErr_NewExceptionWithDoc(
        "strata.Error", "What strata refuses or cannot do; `code` names the reason.", NULL, NULL);
    if (strata_error_type != NULL &&
        PyModule_AddObjectRef(module, "Error", strata_error_type) == 0 &&
        PyModule_AddStringConstant(module, "version", strata_version()) == 0 &&
        add_layer_type(module) && add_snapshot_type(module) && add_change_types(module) &&
        add_dimension_types(module) && add_consumer_type(module) && add_producer_types(module) &&
        add_store_watch_type(module)) {
        return module;
    }
    Py_DECREF(module);
    return NULL;
}
