/* SPDX-License-Identifier: Apache-2.0 */
/* Producer: the one writer of a store. strata/_producer.py derives the class that users see. */
#include <string.h>

#include "producing.h"

static strata_producer* opened(PyObject* object) {
    strata_producer* const producer = ((ProducerObject*)object)->producer;
    if (producer == NULL) raise_closed("producer");
    return producer;
}

/* The place of `text` in `choices`, which NULL ends; else ValueError, which names them. */
static bool choice_of(const char* text, const char* const* choices, const char* names,
                      uint32_t* place) {
    for (*place = 0; choices[*place] != NULL; ++*place) {
        if (strcmp(text, choices[*place]) == 0) return true;
    }
    PyErr_SetString(PyExc_ValueError, names);
    return false;
}

/* Whole milliseconds, rounded up, 1 at least; None: 0, the default. */
static bool interval_of(PyObject* seconds, uint32_t* ms) {
    bool limited = false;
    int64_t ns = 0;
    if (!seconds_of(seconds, &limited, &ns)) return false;
    *ms = 0;
    if (seconds == Py_None) return true;
    const uint64_t whole = limited ? ((uint64_t)ns + 999999) / 1000000 : UINT32_MAX;
    *ms = whole == 0 ? 1 : whole < UINT32_MAX ? (uint32_t)whole : UINT32_MAX;
    return true;
}

static int init(PyObject* object, PyObject* args, PyObject* keywords) {
    static char* names[] = {"name",
                            "base_path",
                            "mode",
                            "memory_limit",
                            "region_max_bytes",
                            "own_regions",
                            "retain",
                            "access_mode",
                            "retain_for",
                            "retain_bytes",
                            "durability",
                            "durability_interval",
                            "durability_generations",
                            NULL};
    static const char* const modes[] = {"open_or_create", "create", "open", "replace", NULL};
    static const char* const policies[] = {"automatic", "off", "background", "each_commit", NULL};
    ProducerObject* const self = (ProducerObject*)object;
    const char* name = NULL;
    Py_ssize_t name_size = 0;
    PyObject* base = Py_None;
    const char* mode = modes[0];
    int own_regions = 0;
    PyObject* retain_for = Py_None;
    bool limited = false;
    int64_t retain_for_ns = 0;
    const char* policy = policies[0];
    PyObject* interval = Py_None;
    PyObject* base_bytes = NULL;
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "s#|OsO&O&pO&O&OO&sOO&", names, &name,
                                     &name_size, &base, &mode, as_uint64, &options.memory_limit,
                                     as_uint64, &options.region_max_bytes, &own_regions, as_uint32,
                                     &options.retain, as_uint32, &options.access_mode, &retain_for,
                                     as_uint64, &options.retain_bytes, &policy, &interval,
                                     as_uint64, &options.durability_generations) ||
        !seconds_of(retain_for, &limited, &retain_for_ns) ||
        !interval_of(interval, &options.durability_interval_ms) ||
        !choice_of(mode, modes, "mode is open_or_create, create, open or replace",
                   &options.open_mode) ||
        !choice_of(policy, policies, "durability is automatic, off, background or each_commit",
                   &options.durability)) {
        return -1;
    }
    if (self->producer != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the producer is open already");
        return -1;
    }
    options.own_regions = (uint32_t)own_regions;
    if (retain_for != Py_None) {
        options.retain_for_ns = limited ? (uint64_t)retain_for_ns : UINT64_MAX;
    }
    if (!path_of(base, &base_bytes, &options.base_path)) return -1;
    DECLARE_ERROR(error);
    strata_status status = STRATA_OK;
    strata_producer* producer = NULL;
    Py_BEGIN_ALLOW_THREADS status =
        strata_produce(name, (size_t)name_size, &options, &producer, &error);
    Py_END_ALLOW_THREADS Py_XDECREF(base_bytes);
    if (status != STRATA_OK) {
        raise_error(status, &error);
        return -1;
    }
    if (self->producer != NULL) { /* another thread was first */
        strata_producer_close(producer);
        PyErr_SetString(PyExc_RuntimeError, "the producer is open already");
        return -1;
    }
    self->producer = producer;
    return 0;
}

static PyObject* close_producer(PyObject* object, PyObject* unused) {
    (void)unused;
    ProducerObject* const self = (ProducerObject*)object;
    if (self->busy > 0) {
        return PyErr_Format(PyExc_RuntimeError, "the producer is in use by another thread");
    }
    for (const BatchObject* at = self->batches; at != NULL; at = at->next) {
        if (at->busy || at->exports > 0) {
            return PyErr_Format(PyExc_RuntimeError, "a batch of the producer is in use: %s",
                                at->busy ? "by another thread" : "release the memory on loan");
        }
    }
    while (self->batches != NULL)
        end_batch(self->batches);
    strata_producer_close(self->producer);
    self->producer = NULL;
    Py_RETURN_NONE;
}

static void dealloc(PyObject* object) {
    /* Every batch holds a reference: there is none. */
    strata_producer_close(((ProducerObject*)object)->producer);
    deallocate(object);
}

static PyObject* enter(PyObject* object, PyObject* unused) {
    (void)unused;
    return opened(object) == NULL ? NULL : Py_NewRef(object);
}

static PyObject* leave(PyObject* object, PyObject* args) { return close_producer(object, args); }

static PyObject* new_batch(PyObject* object, PyObject* unused) {
    (void)unused;
    return opened(object) == NULL ? NULL : make_batch((ProducerObject*)object);
}

/* A generation, or the exception. */
static PyObject* generation_object(strata_status status, uint64_t generation,
                                   const strata_error* error) {
    return status == STRATA_OK ? PyLong_FromUnsignedLongLong(generation)
                               : raise_error(status, error);
}

/* The arguments of add_dimension; without `name` those of move_dimension. */
typedef struct {
    uint32_t number;
    const char* name;
    Py_ssize_t name_size;
    strata_dimension_options options;
} dimension_arguments;

static bool parse_dimension(PyObject* args, PyObject* keywords, bool named,
                            dimension_arguments* to) {
    static char* names[] = {"dimension",   "name", "initial_bytes", "max_bytes", "own_region",
                            "access_mode", NULL};
    static char* unnamed[] = {"dimension",  "initial_bytes", "max_bytes",
                              "own_region", "access_mode",   NULL};
    PyObject* dimension = NULL;
    int own = 0;
    *to = (dimension_arguments){.options = STRATA_DIMENSION_OPTIONS_INIT};
    strata_dimension_options* const options = &to->options;
    const int parsed = named ? PyArg_ParseTupleAndKeywords(
                                   args, keywords, "O|z#O&O&pO&", names, &dimension, &to->name,
                                   &to->name_size, as_uint64, &options->initial_bytes, as_uint64,
                                   &options->max_bytes, &own, as_uint32, &options->access_mode)
                             : PyArg_ParseTupleAndKeywords(
                                   args, keywords, "O|O&O&pO&", unnamed, &dimension, as_uint64,
                                   &options->initial_bytes, as_uint64, &options->max_bytes, &own,
                                   as_uint32, &options->access_mode);
    options->own_region = (uint32_t)own;
    return parsed && dimension_number_of(dimension, &to->number);
}

static PyObject* add_dimension(PyObject* object, PyObject* args, PyObject* keywords) {
    dimension_arguments given;
    uint64_t generation = 0;
    if (!parse_dimension(args, keywords, true, &given)) return NULL;
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    DECLARE_ERROR(error);
    const strata_status status =
        strata_add_dimension(producer, given.number, given.name, (size_t)given.name_size,
                             &given.options, &generation, &error);
    return generation_object(status, generation, &error);
}

/* Copies the whole dimension, so without the GIL; the producer cannot be closed meanwhile. */
static PyObject* move_dimension(PyObject* object, PyObject* args, PyObject* keywords) {
    dimension_arguments given;
    uint64_t generation = 0;
    if (!parse_dimension(args, keywords, false, &given)) return NULL;
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    DECLARE_ERROR(error);
    strata_status status = STRATA_OK;
    ++((ProducerObject*)object)->busy;
    Py_BEGIN_ALLOW_THREADS status =
        strata_move_dimension(producer, given.number, &given.options, &generation, &error);
    Py_END_ALLOW_THREADS--((ProducerObject*)object)->busy;
    return generation_object(status, generation, &error);
}

/* Waits for a disk, so without the GIL, as move_dimension. */
static PyObject* checkpoint(PyObject* object, PyObject* unused) {
    (void)unused;
    uint64_t generation = 0;
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    DECLARE_ERROR(error);
    strata_status status = STRATA_OK;
    ++((ProducerObject*)object)->busy;
    Py_BEGIN_ALLOW_THREADS status = strata_checkpoint(producer, &generation, &error);
    Py_END_ALLOW_THREADS--((ProducerObject*)object)->busy;
    return generation_object(status, generation, &error);
}

static PyObject* wait_durable(PyObject* object, PyObject* argument) {
    uint64_t generation = 0;
    if (!as_uint64(argument, &generation)) return NULL;
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    DECLARE_ERROR(error);
    strata_status status = STRATA_OK;
    ++((ProducerObject*)object)->busy;
    Py_BEGIN_ALLOW_THREADS status = strata_wait_durable(producer, generation, &error);
    Py_END_ALLOW_THREADS--((ProducerObject*)object)->busy;
    if (status != STRATA_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

/* Writes a file, so without the GIL, as move_dimension. */
static PyObject* set_bookmark(PyObject* object, PyObject* args) {
    PyObject* bookmark = NULL;
    layer_key name;
    uint64_t generation = 0;
    if (!PyArg_ParseTuple(args, "O|O&", &bookmark, as_uint64, &generation) ||
        !bookmark_name_of(bookmark, &name)) {
        return NULL;
    }
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    DECLARE_ERROR(error);
    strata_status status = STRATA_OK;
    ++((ProducerObject*)object)->busy;
    Py_BEGIN_ALLOW_THREADS status = strata_set_bookmark(producer, name.name, (size_t)name.name_size,
                                                        generation, &generation, &error);
    Py_END_ALLOW_THREADS--((ProducerObject*)object)->busy;
    return generation_object(status, generation, &error);
}

static PyObject* remove_bookmark(PyObject* object, PyObject* bookmark) {
    layer_key name;
    if (!bookmark_name_of(bookmark, &name)) return NULL;
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    DECLARE_ERROR(error);
    strata_status status = STRATA_OK;
    ++((ProducerObject*)object)->busy;
    Py_BEGIN_ALLOW_THREADS status =
        strata_remove_bookmark(producer, name.name, (size_t)name.name_size, &error);
    Py_END_ALLOW_THREADS--((ProducerObject*)object)->busy;
    if (status != STRATA_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static PyObject* add_core_dimensions(PyObject* object, PyObject* unused) {
    (void)unused;
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    uint64_t generation = 0;
    DECLARE_ERROR(error);
    const strata_status status = strata_add_core_dimensions(producer, &generation, &error);
    return generation_object(status, generation, &error);
}

static PyObject* set_memory_limit(PyObject* object, PyObject* bytes) {
    const unsigned long long limit = PyLong_AsUnsignedLongLong(bytes);
    if (PyErr_Occurred()) return NULL;
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    DECLARE_ERROR(error);
    const strata_status status = strata_set_memory_limit(producer, limit, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    Py_RETURN_NONE;
}

static PyObject* trim(PyObject* object, PyObject* unused) {
    (void)unused;
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    uint64_t bytes = 0;
    DECLARE_ERROR(error);
    const strata_status status = strata_trim(producer, &bytes, &error);
    return status == STRATA_OK ? PyLong_FromUnsignedLongLong(bytes) : raise_error(status, &error);
}

static PyObject* statistics_json(PyObject* object, PyObject* unused) {
    (void)unused;
    strata_producer* const producer = opened(object);
    if (producer == NULL) return NULL;
    char* json = NULL;
    size_t size = 0;
    DECLARE_ERROR(error);
    const strata_status status = strata_producer_statistics_json(producer, &json, &size, &error);
    return status == STRATA_OK ? owned_text_object(json, size) : raise_error(status, &error);
}

static PyObject* get_generation(PyObject* object, void* unused) {
    (void)unused;
    strata_producer* const producer = opened(object);
    return producer == NULL ? NULL
                            : PyLong_FromUnsignedLongLong(strata_producer_generation(producer));
}

static PyObject* get_durable_generation(PyObject* object, void* unused) {
    (void)unused;
    strata_producer* const producer = opened(object);
    return producer == NULL
               ? NULL
               : PyLong_FromUnsignedLongLong(strata_producer_durable_generation(producer));
}

static PyObject* get_closed(PyObject* object, void* unused) {
    (void)unused;
    return PyBool_FromLong(((ProducerObject*)object)->producer == NULL);
}

static PyMethodDef methods[] = {
    {"batch", new_batch, METH_NOARGS, NULL},
    {"add_dimension", WITH_KEYWORDS(add_dimension), NULL},
    {"move_dimension", WITH_KEYWORDS(move_dimension), NULL},
    {"add_core_dimensions", add_core_dimensions, METH_NOARGS, NULL},
    {"set_bookmark", set_bookmark, METH_VARARGS, NULL},
    {"remove_bookmark", remove_bookmark, METH_O, NULL},
    {"checkpoint", checkpoint, METH_NOARGS, NULL},
    {"wait_durable", wait_durable, METH_O, NULL},
    {"set_memory_limit", set_memory_limit, METH_O, NULL},
    {"trim", trim, METH_NOARGS, NULL},
    {"_statistics_json", statistics_json, METH_NOARGS, NULL},
    {"close", close_producer, METH_NOARGS, NULL},
    {"__enter__", enter, METH_NOARGS, NULL},
    {"__exit__", leave, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyGetSetDef fields[] = {
    {"generation", get_generation, NULL, NULL, NULL},
    {"durable_generation", get_durable_generation, NULL, NULL, NULL},
    {"closed", get_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyType_Slot slots[] = {
    {Py_tp_init, init}, {Py_tp_dealloc, dealloc}, {Py_tp_methods, methods}, {Py_tp_getset, fields},
    {0, NULL},
};
static PyType_Spec spec = {"strata._strata.Producer", sizeof(ProducerObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

bool add_producer_types(PyObject* module) {
    return add_batch_type(module) && add_loan_type(module) &&
           add_type(module, &spec, "Producer") != NULL;
}
