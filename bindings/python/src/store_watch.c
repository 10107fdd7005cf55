/* SPDX-License-Identifier: Apache-2.0 */
/* StoreWatch: a descriptor that tells an event loop when a store may have appeared. */
#include "module.h"

typedef struct {
    PyObject_HEAD strata_store_watch* watch; /* NULL: closed */
} StoreWatchObject;

static strata_store_watch* opened(PyObject* object) {
    strata_store_watch* const watch = ((StoreWatchObject*)object)->watch;
    if (watch == NULL) raise_closed("watch");
    return watch;
}

static int init(PyObject* object, PyObject* args, PyObject* keywords) {
    static char* names[] = {"name", "base_path", NULL};
    StoreWatchObject* const self = (StoreWatchObject*)object;
    const char* name = NULL;
    Py_ssize_t size = 0;
    PyObject* base = Py_None;
    PyObject* bytes = NULL;
    const char* path = NULL;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "s#|O", names, &name, &size, &base) ||
        !path_of(base, &bytes, &path)) {
        return -1;
    }
    strata_store_watch* watch = NULL;
    DECLARE_ERROR(error);
    const strata_status status = strata_store_watch_open(name, (size_t)size, path, &watch, &error);
    Py_XDECREF(bytes);
    if (status != STRATA_OK) {
        raise_error(status, &error);
        return -1;
    }
    strata_store_watch_close(self->watch); /* a second __init__ */
    self->watch = watch;
    return 0;
}

static PyObject* close_watch(PyObject* object, PyObject* unused) {
    (void)unused;
    strata_store_watch_close(((StoreWatchObject*)object)->watch);
    ((StoreWatchObject*)object)->watch = NULL;
    Py_RETURN_NONE;
}

static void dealloc(PyObject* object) {
    strata_store_watch_close(((StoreWatchObject*)object)->watch);
    deallocate(object);
}

static PyObject* file_number(PyObject* object, PyObject* unused) {
    (void)unused;
    strata_store_watch* const watch = opened(object);
    if (watch == NULL) return NULL;
    int descriptor = -1;
    DECLARE_ERROR(error);
    const strata_status status = strata_store_watch_descriptor(watch, &descriptor, &error);
    return status == STRATA_OK ? PyLong_FromLong(descriptor) : raise_error(status, &error);
}

static PyObject* present(PyObject* object, PyObject* unused) {
    (void)unused;
    strata_store_watch* const watch = opened(object);
    if (watch == NULL) return NULL;
    int is_present = 0;
    DECLARE_ERROR(error);
    const strata_status status = strata_store_watch_present(watch, &is_present, &error);
    return status == STRATA_OK ? PyBool_FromLong(is_present) : raise_error(status, &error);
}

static PyObject* get_closed(PyObject* object, void* unused) {
    (void)unused;
    return PyBool_FromLong(((StoreWatchObject*)object)->watch == NULL);
}

static PyMethodDef methods[] = {
    {"fileno", file_number, METH_NOARGS, NULL},
    {"present", present, METH_NOARGS, NULL},
    {"close", close_watch, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef fields[] = {
    {"closed", get_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_init, init}, {Py_tp_dealloc, dealloc}, {Py_tp_methods, methods}, {Py_tp_getset, fields},
    {0, NULL},
};
static PyType_Spec spec = {"strata._strata.StoreWatch", sizeof(StoreWatchObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

bool add_store_watch_type(PyObject* module) {
    return add_type(module, &spec, "StoreWatch") != NULL;
}
