/* SPDX-License-Identifier: Apache-2.0 */
/* Consumer: attaching, snapshots, waiting without the GIL. strata/_consumer.py derives the class
 * that users see, with asyncio and pickling. */
#include "module.h"

/* One attachment. A thread that waits holds a reference, so that closing and reattaching need not
 * wait for it. References are counted under the GIL. */
typedef struct {
    strata_consumer* consumer;
    strata_cancellation* closed; /* ends its waits */
    Py_ssize_t references;
} attachment;

typedef struct {
    PyObject_HEAD attachment* attached; /* NULL: closed */
} ConsumerObject;

/* So often Python looks for signals while it waits; the library looks at the producer's life as
 * often anyway. */
static const int64_t slice_ns = 100 * 1000 * 1000;

static void release(attachment* attached) {
    if (attached == NULL || --attached->references > 0) return;
    strata_detach(attached->consumer);
    strata_cancellation_free(attached->closed);
    PyMem_Free(attached);
}

static attachment* opened(PyObject* object) {
    attachment* const attached = ((ConsumerObject*)object)->attached;
    if (attached == NULL) raise_closed("consumer");
    return attached;
}

static void close_attachment(PyObject* object) {
    ConsumerObject* const self = (ConsumerObject*)object;
    attachment* const attached = self->attached;
    self->attached = NULL;
    if (attached != NULL) strata_cancellation_request(attached->closed);
    release(attached);
}

static bool trust_of(PyObject* object, strata_attach_options* options) {
    if (object == Py_None) return true;
    if (PyLong_Check(object)) {
        options->trusted_owner = STRATA_TRUST_USER;
        return as_uint32(object, &options->owner) != 0;
    }
    if (PyUnicode_Check(object) && PyUnicode_CompareWithASCIIString(object, "anybody") == 0) {
        options->trusted_owner = STRATA_TRUST_ANYBODY;
        return true;
    }
    PyErr_SetString(PyExc_ValueError,
                    "trusted_owner is None (this user or root), a user's number, or 'anybody'");
    return false;
}

static attachment* attach(PyObject* args, PyObject* keywords) {
    static char* names[] = {"name",          "base_path", "wait", "lookup_cache_bytes",
                            "trusted_owner", "idle_pin",  NULL};
    const char* name = NULL;
    Py_ssize_t name_size = 0;
    PyObject* base = Py_None;
    PyObject* wait = Py_None;
    PyObject* cache = Py_None;
    PyObject* trusted = Py_None;
    int idle_pin = 1;
    PyObject* base_bytes = NULL;
    bool limited = false;
    int64_t wait_ns = 0;
    strata_attach_options options = STRATA_ATTACH_OPTIONS_INIT;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "s#|OOOOp", names, &name, &name_size, &base,
                                     &wait, &cache, &trusted, &idle_pin) ||
        !trust_of(trusted, &options)) {
        return NULL;
    }
    if (wait != Py_None && !seconds_of(wait, &limited, &wait_ns)) return NULL;
    if (wait != Py_None && !limited) wait_ns = INT64_MAX;
    if (cache != Py_None) {
        options.lookup_cache_bytes = PyLong_AsUnsignedLongLong(cache);
        if (PyErr_Occurred()) return NULL;
        if (options.lookup_cache_bytes == 0) options.lookup_cache_bytes = STRATA_NO_LOOKUP_CACHE;
    }
    options.no_idle_pin = idle_pin ? 0 : 1;
    if (!path_of(base, &base_bytes, &options.base_path)) return NULL;

    DECLARE_ERROR(error);
    attachment* attached = PyMem_Calloc(1, sizeof *attached);
    strata_status status = attached == NULL ? STRATA_OUT_OF_MEMORY
                                            : strata_cancellation_new(&attached->closed, &error);
    while (status == STRATA_OK) { /* in slices, for signals */
        const int64_t slice = wait_ns < slice_ns ? wait_ns : slice_ns;
        options.wait_for_store_ms = (uint64_t)(slice + 999999) / 1000000;
        Py_BEGIN_ALLOW_THREADS status =
            strata_attach(name, (size_t)name_size, &options, &attached->consumer, &error);
        Py_END_ALLOW_THREADS wait_ns -= slice;
        if (status != STRATA_STORE_NOT_FOUND || wait_ns <= 0) break;
        if (PyErr_CheckSignals() < 0) break;
        status = STRATA_OK;
    }
    Py_XDECREF(base_bytes);
    if (attached != NULL) attached->references = 1;
    if (status == STRATA_OK) return attached;
    if (!PyErr_Occurred()) raise_error(status, &error);
    release(attached);
    return NULL;
}

static int init(PyObject* object, PyObject* args, PyObject* keywords) {
    attachment* const attached = attach(args, keywords);
    if (attached == NULL) return -1;
    close_attachment(object); /* a second __init__ */
    ((ConsumerObject*)object)->attached = attached;
    return 0;
}

static void dealloc(PyObject* object) {
    close_attachment(object);
    deallocate(object);
}

static PyObject* close_consumer(PyObject* object, PyObject* unused) {
    (void)unused;
    close_attachment(object);
    Py_RETURN_NONE;
}

static PyObject* snapshot(PyObject* object, PyObject* args) {
    uint64_t generation = 0;
    const Py_ssize_t count = PyTuple_Size(args);
    if (!PyArg_ParseTuple(args, "|O&", as_uint64, &generation)) return NULL;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    strata_snapshot* taken = NULL;
    DECLARE_ERROR(error);
    const strata_status status =
        count == 0 ? strata_snapshot_take(attached->consumer, &taken, &error)
                   : strata_snapshot_take_at(attached->consumer, generation, &taken, &error);
    return status == STRATA_OK ? make_snapshot(taken) : raise_error(status, &error);
}

static PyObject* snapshot_at(PyObject* object, PyObject* time_ns) {
    const long long time = PyLong_AsLongLong(time_ns);
    if (time == -1 && PyErr_Occurred()) return NULL;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    strata_snapshot* taken = NULL;
    DECLARE_ERROR(error);
    const strata_status status =
        strata_snapshot_take_at_time(attached->consumer, time, &taken, &error);
    return status == STRATA_OK ? make_snapshot(taken) : raise_error(status, &error);
}

static PyObject* snapshot_of_bookmark(PyObject* object, PyObject* bookmark) {
    layer_key name;
    if (!bookmark_name_of(bookmark, &name)) return NULL;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    strata_snapshot* taken = NULL;
    DECLARE_ERROR(error);
    const strata_status status = strata_snapshot_take_bookmark(
        attached->consumer, name.name, (size_t)name.name_size, &taken, &error);
    return status == STRATA_OK ? make_snapshot(taken) : raise_error(status, &error);
}

/* A tuple (name, generation, made_at_ns). */
static PyObject* bookmark_object(const strata_bookmark_list* list, size_t index) {
    DECLARE_ERROR(error);
    strata_bookmark bookmark = STRATA_BOOKMARK_INIT;
    const strata_status status = strata_bookmark_list_get(list, index, &bookmark, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    return Py_BuildValue("(NKL)", text_object(bookmark.name),
                         (unsigned long long)bookmark.generation, (long long)bookmark.made_at_ns);
}

static PyObject* bookmarks(PyObject* object, PyObject* unused) {
    (void)unused;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    strata_bookmark_list* list = NULL;
    DECLARE_ERROR(error);
    const strata_status status = strata_bookmarks(attached->consumer, &list, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    const size_t count = strata_bookmark_list_size(list);
    PyObject* found = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; found != NULL && i < count; ++i) {
        PyObject* const one = bookmark_object(list, i);
        if (one == NULL || PyList_SetItem(found, (Py_ssize_t)i, one) < 0) Py_CLEAR(found);
    }
    strata_bookmark_list_free(list);
    return found;
}

static PyObject* wait_for(PyObject* object, PyObject* args) {
    uint64_t seen = 0;
    PyObject* timeout = Py_None;
    int for_producer = 0;
    bool limited = false;
    int64_t left_ns = 0;
    if (!PyArg_ParseTuple(args, "O&Op", as_uint64, &seen, &timeout, &for_producer) ||
        !seconds_of(timeout, &limited, &left_ns)) {
        return NULL;
    }
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    ++attached->references;
    strata_wait_options options = STRATA_WAIT_OPTIONS_INIT;
    options.has_timeout = 1;
    options.wait_for_producer = (uint32_t)for_producer;
    options.cancellation = attached->closed;
    enum strata_wait_result result = STRATA_WAIT_TIMEOUT;
    strata_status status = STRATA_OK;
    DECLARE_ERROR(error);
    bool interrupted = false;
    for (;;) {
        options.timeout_ns = limited && left_ns < slice_ns ? left_ns : slice_ns;
        Py_BEGIN_ALLOW_THREADS status =
            strata_wait(attached->consumer, seen, &options, &result, &error);
        Py_END_ALLOW_THREADS left_ns -= options.timeout_ns;
        interrupted = PyErr_CheckSignals() < 0;
        if (interrupted || status != STRATA_OK || result != STRATA_WAIT_TIMEOUT ||
            (limited && left_ns <= 0)) {
            break;
        }
    }
    release(attached);
    if (interrupted) return NULL;
    if (status != STRATA_OK) return raise_error(status, &error);
    if (result == STRATA_WAIT_CANCELLED) return raise_closed("consumer");
    return PyLong_FromLong((long)result);
}

static PyObject* file_number(PyObject* object, PyObject* unused) {
    (void)unused;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    int descriptor = -1;
    DECLARE_ERROR(error);
    const strata_status status = strata_event_descriptor(attached->consumer, &descriptor, &error);
    return status == STRATA_OK ? PyLong_FromLong(descriptor) : raise_error(status, &error);
}

static PyObject* acknowledge(PyObject* object, PyObject* unused) {
    (void)unused;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    uint64_t generation = 0;
    DECLARE_ERROR(error);
    const strata_status status = strata_acknowledge_event(attached->consumer, &generation, &error);
    return status == STRATA_OK ? PyLong_FromUnsignedLongLong(generation)
                               : raise_error(status, &error);
}

static PyObject* statistics_json(PyObject* object, PyObject* unused) {
    (void)unused;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    char* json = NULL;
    size_t size = 0;
    DECLARE_ERROR(error);
    const strata_status status =
        strata_consumer_statistics_json(attached->consumer, &json, &size, &error);
    return status == STRATA_OK ? owned_text_object(json, size) : raise_error(status, &error);
}

static PyObject* get_generation(PyObject* object, void* unused) {
    (void)unused;
    attachment* const attached = opened(object);
    return attached == NULL ? NULL
                            : PyLong_FromUnsignedLongLong(strata_generation(attached->consumer));
}

static PyObject* get_durable_generation(PyObject* object, void* unused) {
    (void)unused;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    uint64_t generation = 0;
    DECLARE_ERROR(error);
    const strata_status status = strata_durable_generation(attached->consumer, &generation, &error);
    return status == STRATA_OK ? PyLong_FromUnsignedLongLong(generation)
                               : raise_error(status, &error);
}

static PyObject* get_retained(PyObject* object, void* unused) {
    (void)unused;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    uint64_t oldest = 0;
    uint64_t newest = 0;
    DECLARE_ERROR(error);
    const strata_status status = strata_retained(attached->consumer, &oldest, &newest, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    return Py_BuildValue("(KK)", (unsigned long long)oldest, (unsigned long long)newest);
}

static PyObject* get_producer_pid(PyObject* object, void* unused) {
    (void)unused;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    int64_t pid = 0;
    DECLARE_ERROR(error);
    const strata_status status = strata_producer_pid(attached->consumer, &pid, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    if (pid == 0) Py_RETURN_NONE;
    return PyLong_FromLongLong(pid);
}

static PyObject* get_store_replaced(PyObject* object, void* unused) {
    (void)unused;
    attachment* const attached = opened(object);
    if (attached == NULL) return NULL;
    int replaced = 0;
    DECLARE_ERROR(error);
    const strata_status status = strata_store_replaced(attached->consumer, &replaced, &error);
    return status == STRATA_OK ? PyBool_FromLong(replaced) : raise_error(status, &error);
}

static PyObject* get_closed(PyObject* object, void* unused) {
    (void)unused;
    return PyBool_FromLong(((ConsumerObject*)object)->attached == NULL);
}

static PyMethodDef methods[] = {
    {"close", close_consumer, METH_NOARGS, NULL},
    {"snapshot", snapshot, METH_VARARGS, NULL},
    {"_snapshot_at", snapshot_at, METH_O, NULL},
    {"_snapshot_of_bookmark", snapshot_of_bookmark, METH_O, NULL},
    {"_bookmarks", bookmarks, METH_NOARGS, NULL},
    {"_wait", wait_for, METH_VARARGS, NULL},
    {"fileno", file_number, METH_NOARGS, NULL},
    {"acknowledge", acknowledge, METH_NOARGS, NULL},
    {"_statistics_json", statistics_json, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef fields[] = {
    {"generation", get_generation, NULL, NULL, NULL},
    {"durable_generation", get_durable_generation, NULL, NULL, NULL},
    {"retained", get_retained, NULL, NULL, NULL},
    {"producer_pid", get_producer_pid, NULL, NULL, NULL},
    {"store_replaced", get_store_replaced, NULL, NULL, NULL},
    {"closed", get_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_init, init}, {Py_tp_dealloc, dealloc}, {Py_tp_methods, methods}, {Py_tp_getset, fields},
    {0, NULL},
};
static PyType_Spec spec = {"strata._strata.Consumer", sizeof(ConsumerObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

bool add_consumer_type(PyObject* module) { return add_type(module, &spec, "Consumer") != NULL; }
