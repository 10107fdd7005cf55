/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot: look-ups, differences, verification. */
#include "module.h"

PyTypeObject* snapshot_type;

PyObject* make_snapshot(strata_snapshot* snapshot) {
    SnapshotObject* const self = (SnapshotObject*)allocate(snapshot_type);
    if (self == NULL) {
        strata_snapshot_release(snapshot);
        return NULL;
    }
    self->snapshot = snapshot;
    return (PyObject*)self;
}

static void dealloc(PyObject* object) {
    strata_snapshot_release(((SnapshotObject*)object)->snapshot);
    deallocate(object);
}

static strata_snapshot* opened(PyObject* object) {
    strata_snapshot* const snapshot = ((SnapshotObject*)object)->snapshot;
    if (snapshot == NULL) raise_closed("snapshot");
    return snapshot;
}

bool find_layer(const strata_snapshot* snapshot, uint32_t dimension, const layer_key* key,
                strata_layer* found) {
    DECLARE_ERROR(error);
    const strata_status status = key->name == NULL
                                     ? strata_find(snapshot, dimension, key->number, found, &error)
                                     : strata_find_name(snapshot, dimension, key->name,
                                                        (size_t)key->name_size, found, &error);
    if (status != STRATA_OK) raise_error(status, &error);
    return status == STRATA_OK;
}

/* The layer, `missing` (a new reference) if there is none; NULL with an exception. */
static PyObject* look_up(PyObject* object, PyObject* dimension, PyObject* layer,
                         PyObject* missing) {
    uint32_t number = 0;
    layer_key key;
    const bool named = PyUnicode_Check(dimension);
    /* First what may run somebody's __index__, which may close the snapshot. */
    if (!layer_key_of(layer, &key) || (!named && !dimension_number_of(dimension, &number))) {
        return NULL;
    }
    strata_snapshot* const snapshot = opened(object);
    if (snapshot == NULL) return NULL;
    const int has = named ? dimension_of(snapshot, dimension, &number) : 1;
    if (has < 0) return NULL;
    if (has > 0) {
        strata_layer found;
        if (!find_layer(snapshot, number, &key, &found)) return NULL;
        if (found.data != NULL) return make_layer(snapshot, &found);
    }
    return Py_NewRef(missing);
}

/* A dimension's name or an int, of which dimension_of runs nobody's code: what that did could be to
 * close the snapshot. A new reference. */
static PyObject* plain_dimension(PyObject* dimension) {
    return PyUnicode_Check(dimension) ? Py_NewRef(dimension) : PyNumber_Index(dimension);
}

/* The snapshot, with a reference, and the number of one of its dimensions; else the exception. */
static strata_snapshot* opened_with(PyObject* object, PyObject* dimension, uint32_t* number) {
    PyObject* const plain = plain_dimension(dimension);
    if (plain == NULL) return NULL;
    strata_snapshot* const snapshot = opened(object);
    const int has = snapshot == NULL ? -1 : dimension_of(snapshot, plain, number);
    if (has == 0) PyErr_SetObject(PyExc_KeyError, plain);
    Py_DECREF(plain);
    return has > 0 ? strata_snapshot_ref(snapshot) : NULL;
}

static bool is_pair(PyObject* key) {
    if (PyTuple_Check(key) && PyTuple_Size(key) == 2) return true;
    PyErr_SetString(PyExc_TypeError, "a snapshot is subscripted by [dimension, layer]");
    return false;
}

static PyObject* subscript(PyObject* object, PyObject* key) {
    if (!is_pair(key)) return NULL;
    PyObject* const found =
        look_up(object, PyTuple_GetItem(key, 0), PyTuple_GetItem(key, 1), Py_None);
    if (found == Py_None) {
        Py_DECREF(found);
        PyErr_SetObject(PyExc_KeyError, key);
        return NULL;
    }
    return found;
}

static int contains(PyObject* object, PyObject* key) {
    if (!is_pair(key)) return -1;
    PyObject* const found =
        look_up(object, PyTuple_GetItem(key, 0), PyTuple_GetItem(key, 1), Py_None);
    if (found == NULL) return -1;
    const int result = found != Py_None;
    Py_DECREF(found);
    return result;
}

static PyObject* get(PyObject* object, PyObject* const* args, Py_ssize_t count) {
    if (count != 2 && count != 3) {
        return PyErr_Format(PyExc_TypeError, "get(dimension, layer, default=None)");
    }
    return look_up(object, args[0], args[1], count == 3 ? args[2] : Py_None);
}

static PyObject* gather_method(PyObject* object, PyObject* args, PyObject* keywords) {
    static char* names[] = {"dimension", "numbers", "out", "state", NULL};
    PyObject* dimension = NULL;
    PyObject* numbers = NULL;
    PyObject* out = NULL;
    PyObject* state = Py_None;
    uint32_t number = 0;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "OOO|O", names, &dimension, &numbers, &out,
                                     &state)) {
        return NULL;
    }
    strata_snapshot* const snapshot = opened_with(object, dimension, &number);
    if (snapshot == NULL) return NULL;
    PyObject* const result = gather(snapshot, number, numbers, out, state);
    strata_snapshot_release(snapshot);
    return result;
}

/* ---- Dimensions, differences, verification -------------------------------------------------- */

static PyObject* dimension(PyObject* object, PyObject* argument) {
    uint32_t number = 0;
    strata_snapshot* const snapshot = opened_with(object, argument, &number);
    if (snapshot == NULL) return NULL;
    int has = 0;
    DECLARE_ERROR(error);
    PyObject* result = NULL;
    const strata_status status = strata_has_dimension(snapshot, number, &has, &error);
    if (status != STRATA_OK) {
        raise_error(status, &error);
    } else if (has == 0) {
        PyErr_SetObject(PyExc_KeyError, argument);
    } else {
        result = make_dimension(snapshot, number);
    }
    strata_snapshot_release(snapshot);
    return result;
}

static PyObject* dimensions(PyObject* object, PyObject* unused) {
    (void)unused;
    strata_snapshot* const snapshot = opened(object);
    if (snapshot == NULL) return NULL;
    strata_dimension_list* list = NULL;
    DECLARE_ERROR(error);
    strata_status status = strata_dimensions(snapshot, &list, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    PyObject* names = PyDict_New();
    for (size_t i = 0; names != NULL && i < strata_dimension_list_size(list); ++i) {
        strata_dimension_info info = STRATA_DIMENSION_INFO_INIT;
        status = strata_dimension_list_get(list, i, &info, &error);
        PyObject* const number = PyLong_FromUnsignedLong(info.dimension);
        PyObject* const name = status == STRATA_OK ? text_object(info.name) : NULL;
        if (status != STRATA_OK) raise_error(status, &error);
        if (number == NULL || name == NULL || PyDict_SetItem(names, number, name) < 0) {
            Py_CLEAR(names);
        }
        Py_XDECREF(number);
        Py_XDECREF(name);
    }
    strata_dimension_list_free(list);
    return names;
}

/* The snapshot of an argument; NULL for None: an empty store. */
static bool since_of(PyObject* object, strata_snapshot** since) {
    *since = NULL;
    if (object == Py_None) return true;
    if (!PyObject_TypeCheck(object, snapshot_type)) {
        PyErr_SetString(PyExc_TypeError, "since is a Snapshot, or None: an empty store");
        return false;
    }
    *since = opened(object);
    return *since != NULL;
}

static PyObject* changes(PyObject* object, PyObject* args, PyObject* keywords) {
    static char* names[] = {"since", "dimension", NULL};
    PyObject* since = Py_None;
    PyObject* dimension_object = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|OO", names, &since, &dimension_object)) {
        return NULL;
    }
    const bool one = dimension_object != Py_None;
    PyObject* const plain = one ? plain_dimension(dimension_object) : Py_NewRef(Py_None);
    if (plain == NULL) return NULL;
    strata_snapshot* const after = opened(object);
    strata_snapshot* before = NULL;
    uint32_t number = 0;
    int has = after != NULL && since_of(since, &before) ? 1 : -1;
    if (has > 0 && one) {
        has = dimension_of(after, plain, &number);
        if (has == 0 && before != NULL) has = dimension_of(before, plain, &number);
        if (has == 0) PyErr_SetObject(PyExc_KeyError, plain);
    }
    Py_DECREF(plain);
    return has > 0 ? changes_between(before, after, one ? &number : NULL) : NULL;
}

static PyObject* dimension_changes(PyObject* object, PyObject* args, PyObject* keywords) {
    static char* names[] = {"since", NULL};
    PyObject* since = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "|O", names, &since)) return NULL;
    strata_snapshot* const after = opened(object);
    strata_snapshot* before = NULL;
    if (after == NULL || !since_of(since, &before)) return NULL;
    return dimension_changes_between(before, after);
}

static PyObject* verify(PyObject* object, PyObject* unused) {
    (void)unused;
    strata_snapshot* const snapshot = opened(object);
    if (snapshot == NULL) return NULL;
    strata_verification* verification = NULL;
    DECLARE_ERROR(error);
    strata_status status = STRATA_OK;
    strata_snapshot_ref(snapshot);
    Py_BEGIN_ALLOW_THREADS status = strata_verify(snapshot, NULL, &verification, &error);
    strata_snapshot_release(snapshot);
    Py_END_ALLOW_THREADS if (status != STRATA_OK) return raise_error(status, &error);
    PyObject* failures = PyList_New(0);
    strata_verify_failure failure = STRATA_VERIFY_FAILURE_INIT;
    for (size_t i = 0; failures != NULL &&
                       strata_verification_failure(verification, i, &failure, NULL) == STRATA_OK;
         ++i) {
        PyObject* const item = Py_BuildValue(
            "(NNNN)", text_object(failure.file),
            failure.has_dimension ? PyLong_FromUnsignedLong(failure.dimension) : Py_NewRef(Py_None),
            failure.has_layer ? PyLong_FromUnsignedLongLong(failure.layer) : Py_NewRef(Py_None),
            text_object(failure.what));
        if (item == NULL || PyList_Append(failures, item) < 0) Py_CLEAR(failures);
        Py_XDECREF(item);
    }
    strata_verification_free(verification);
    return failures;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static PyObject* close_snapshot(PyObject* object, PyObject* unused) {
    (void)unused;
    strata_snapshot* const snapshot = ((SnapshotObject*)object)->snapshot;
    ((SnapshotObject*)object)->snapshot = NULL;
    strata_snapshot_release(snapshot);
    Py_RETURN_NONE;
}

static PyObject* enter(PyObject* object, PyObject* unused) {
    (void)unused;
    return opened(object) == NULL ? NULL : Py_NewRef(object);
}

static PyObject* leave(PyObject* object, PyObject* unused) {
    return close_snapshot(object, unused);
}

enum {
    field_generation,
    field_published_at,
    field_published_at_ns,
    field_layers,
    field_dimensions
};

static PyObject* get_field(PyObject* object, void* which) {
    strata_snapshot* const snapshot = opened(object);
    if (snapshot == NULL) return NULL;
    strata_snapshot_info info = STRATA_SNAPSHOT_INFO_INIT;
    DECLARE_ERROR(error);
    const strata_status status = strata_snapshot_describe(snapshot, &info, &error);
    if (status != STRATA_OK) return raise_error(status, &error);
    switch ((int)(intptr_t)which) {
        case field_generation: return PyLong_FromUnsignedLongLong(info.generation);
        case field_published_at: return PyFloat_FromDouble((double)info.published_at_ns / 1e9);
        case field_published_at_ns: return PyLong_FromLongLong(info.published_at_ns);
        case field_layers: return PyLong_FromUnsignedLongLong(info.layers);
        default: return PyLong_FromUnsignedLongLong(info.dimensions);
    }
}

static PyObject* representation(PyObject* object) {
    const strata_snapshot* const snapshot = ((SnapshotObject*)object)->snapshot;
    if (snapshot == NULL) return PyUnicode_FromString("<strata.Snapshot, closed>");
    return PyUnicode_FromFormat("<strata.Snapshot, generation %llu>",
                                (unsigned long long)strata_snapshot_generation(snapshot));
}

static PyObject* get_closed(PyObject* object, void* unused) {
    (void)unused;
    return PyBool_FromLong(((SnapshotObject*)object)->snapshot == NULL);
}

static PyMethodDef methods[] = {
    {"get", (PyCFunction)(void (*)(void))get, METH_FASTCALL, NULL},
    {"gather", (PyCFunction)(void (*)(void))gather_method, METH_VARARGS | METH_KEYWORDS, NULL},
    {"dimension", dimension, METH_O, NULL},
    {"dimensions", dimensions, METH_NOARGS, NULL},
    {"changes", (PyCFunction)(void (*)(void))changes, METH_VARARGS | METH_KEYWORDS, NULL},
    {"dimension_changes", (PyCFunction)(void (*)(void))dimension_changes,
     METH_VARARGS | METH_KEYWORDS, NULL},
    {"verify", verify, METH_NOARGS, NULL},
    {"close", close_snapshot, METH_NOARGS, NULL},
    {"__enter__", enter, METH_NOARGS, NULL},
    {"__exit__", leave, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

#define FIELD(name, which) \
    { name, get_field, NULL, NULL, (void*)(intptr_t)(which) }
static PyGetSetDef fields[] = {
    FIELD("generation", field_generation),
    FIELD("published_at", field_published_at),
    FIELD("published_at_ns", field_published_at_ns),
    FIELD("layer_count", field_layers),
    FIELD("dimension_count", field_dimensions),
    {"closed", get_closed, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, dealloc},
    {Py_mp_subscript, subscript},
    {Py_sq_contains, contains},
    {Py_tp_methods, methods},
    {Py_tp_getset, fields},
    {Py_tp_repr, representation},
    {Py_tp_doc, "One generation of the whole store: snapshot[dimension, layer]."},
    {0, NULL},
};
static PyType_Spec spec = {"strata.Snapshot", sizeof(SnapshotObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

bool add_snapshot_type(PyObject* module) {
    snapshot_type = add_type(module, &spec, "Snapshot");
    return snapshot_type != NULL;
}
