/* SPDX-License-Identifier: Apache-2.0 */
/* The differences of two snapshots as lists of named tuples: Change, DimensionChange. */
#include "module.h"

static PyTypeObject* change_type;
static PyTypeObject* dimension_change_type;

/* A named tuple of `items`, which it takes over; NULL if one of them is NULL. */
static PyObject* make_tuple(PyTypeObject* type, PyObject* const* items, Py_ssize_t count) {
    PyObject* const tuple = PyStructSequence_New(type);
    bool ok = tuple != NULL;
    for (Py_ssize_t i = 0; i < count; ++i) {
        ok = ok && items[i] != NULL;
        if (tuple == NULL) {
            Py_XDECREF(items[i]);
        } else if (items[i] != NULL) {
            PyStructSequence_SetItem(tuple, i, items[i]);
        }
    }
    if (!ok) {
        Py_XDECREF(tuple);
        return NULL;
    }
    return tuple;
}

static PyObject* make_change(strata_snapshot* before, strata_snapshot* after,
                             const strata_change* change) {
    static const char* const kinds[] = {"added", "updated", "removed"};
    PyObject* const items[] = {
        PyLong_FromUnsignedLong(change->id.dimension),
        PyLong_FromUnsignedLongLong(change->id.layer),
        PyUnicode_InternFromString(kinds[change->kind]),
        make_layer(before, &change->before),
        make_layer(after, &change->after),
    };
    return make_tuple(change_type, items, 5);
}

PyObject* changes_between(strata_snapshot* before, strata_snapshot* after,
                          const uint32_t* dimension) {
    strata_changes* list = NULL;
    DECLARE_ERROR(error);
    const strata_status status = dimension == NULL
                                     ? strata_changes_between(before, after, &list, &error)
                                     : strata_changes_in(before, after, *dimension, &list, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    const size_t count = strata_changes_size(list);
    const strata_change* const first = strata_changes_data(list);
    PyObject* result = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; result != NULL && i < count; ++i) {
        PyObject* const change = make_change(before, after, &first[i]);
        if (change == NULL || PyList_SetItem(result, (Py_ssize_t)i, change) < 0) Py_CLEAR(result);
    }
    strata_changes_free(list);
    return result;
}

static PyObject* make_dimension_change(const strata_dimension_change* change) {
    static const char* const kinds[] = {"added", "removed", "renamed"};
    const bool added = change->kind == STRATA_DIMENSION_ADDED;
    const bool removed = change->kind == STRATA_DIMENSION_REMOVED;
    PyObject* const items[] = {
        PyLong_FromUnsignedLong(change->dimension),
        PyUnicode_InternFromString(kinds[change->kind]),
        added ? Py_NewRef(Py_None) : text_object(change->before),
        removed ? Py_NewRef(Py_None) : text_object(change->after),
    };
    return make_tuple(dimension_change_type, items, 4);
}

PyObject* dimension_changes_between(strata_snapshot* before, strata_snapshot* after) {
    strata_dimension_changes* list = NULL;
    DECLARE_ERROR(error);
    strata_status status = strata_dimension_changes_between(before, after, &list, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    const size_t count = strata_dimension_changes_size(list);
    PyObject* result = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; result != NULL && i < count; ++i) {
        strata_dimension_change known = STRATA_DIMENSION_CHANGE_INIT;
        status = strata_dimension_changes_get(list, i, &known, &error);
        PyObject* const change =
            status == STRATA_OK ? make_dimension_change(&known) : raise_error(status, &error);
        if (change == NULL || PyList_SetItem(result, (Py_ssize_t)i, change) < 0) Py_CLEAR(result);
    }
    strata_dimension_changes_free(list);
    return result;
}

static PyStructSequence_Field change_fields[] = {
    {"dimension", NULL}, {"layer", NULL}, {"kind", "added, updated or removed"},
    {"before", NULL},    {"after", NULL}, {NULL, NULL},
};
static PyStructSequence_Desc change_description = {"strata.Change", "One layer that differs.",
                                                   change_fields, 5};
static PyStructSequence_Field dimension_change_fields[] = {
    {"dimension", NULL},
    {"kind", "added, removed or renamed"},
    {"before", "its name; None if added"},
    {"after", "its name; None if removed"},
    {NULL, NULL},
};
static PyStructSequence_Desc dimension_change_description = {
    "strata.DimensionChange", "A dimension that differs in existence or name.",
    dimension_change_fields, 4};

static PyTypeObject* add_tuple_type(PyObject* module, PyStructSequence_Desc* description,
                                    const char* name) {
    PyTypeObject* const type = PyStructSequence_NewType(description);
    return type != NULL && PyModule_AddObjectRef(module, name, (PyObject*)type) == 0 ? type : NULL;
}

bool add_change_types(PyObject* module) {
    change_type = add_tuple_type(module, &change_description, "Change");
    dimension_change_type =
        add_tuple_type(module, &dimension_change_description, "DimensionChange");
    return change_type != NULL && dimension_change_type != NULL;
}
