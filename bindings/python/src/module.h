/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the extension module share: types, arguments, errors. Every PyObject here is
 * only touched with the GIL held; what runs without it holds references of the C ABI's own. */
#ifndef STRATA_PYTHON_MODULE_H
#define STRATA_PYTHON_MODULE_H

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdbool.h>

#include "strata/strata.h"

typedef struct {
    PyObject_HEAD strata_snapshot* snapshot; /* NULL: closed */
} SnapshotObject;

typedef struct {
    PyObject_HEAD strata_snapshot*
        snapshot; /* a reference of its own: memory is valid whatever gets closed */
    strata_layer layer;
} LayerObject;

extern PyObject* strata_error_type;
extern PyTypeObject* snapshot_type;
extern PyTypeObject* layer_type;
extern PyTypeObject* dimension_type;

/* Each adds its types to the module; false with an exception set. */
bool add_consumer_type(PyObject* module);
bool add_snapshot_type(PyObject* module);
bool add_change_types(PyObject* module);
bool add_dimension_types(PyObject* module);
bool add_layer_type(PyObject* module);
bool add_producer_types(PyObject* module);
bool add_store_watch_type(PyObject* module);
PyTypeObject* add_type(PyObject* module, PyType_Spec* spec, const char* name);

/* An error that a function is to fill: without zeroing its texts. */
#define DECLARE_ERROR(name) \
    strata_error name;      \
    name.struct_size = (uint32_t)sizeof name

/* Raises strata.Error (MemoryError if that is what it is); returns NULL. */
PyObject* raise_error(strata_status status, const strata_error* error);
/* Raises ValueError: "the consumer is closed". */
PyObject* raise_closed(const char* what);

/* For types without cycles: allocates, and frees in tp_dealloc. */
PyObject* allocate(PyTypeObject* type);
void deallocate(PyObject* object);

/* Takes over one reference of the snapshot, also when it fails. */
PyObject* make_snapshot(strata_snapshot* snapshot);
/* Takes a reference. None if there is no layer. */
PyObject* make_layer(strata_snapshot* snapshot, const strata_layer* layer);
/* Of dimension `dimension`; takes a reference. */
PyObject* make_dimension(strata_snapshot* snapshot, uint32_t dimension);

/* Lists of Change (of all dimensions: NULL) and DimensionChange. `before` NULL: an empty store. */
PyObject* changes_between(strata_snapshot* before, strata_snapshot* after,
                          const uint32_t* dimension);
PyObject* dimension_changes_between(strata_snapshot* before, strata_snapshot* after);

/* Converters for PyArg_Parse's "O&", whatever has __index__: unlike "K" and "I" they refuse what is
 * negative or too large (OverflowError). */
int as_uint64(PyObject* object, void* to);
int as_uint32(PyObject* object, void* to);
/* A time in seconds, not negative; None: no limit. */
bool seconds_of(PyObject* object, bool* limited, int64_t* ns);

/* A layer's number, or its name: str or bytes. */
typedef struct {
    const char* name; /* NULL: a number */
    Py_ssize_t name_size;
    uint64_t number;
} layer_key;
bool layer_key_of(PyObject* object, layer_key* key);
/* Of a bookmark: str or bytes. */
bool bookmark_name_of(PyObject* object, layer_key* name);
bool dimension_number_of(PyObject* object, uint32_t* number);
/* As above, or a dimension's name, looked up in the snapshot: 1 found, 0 there is none, -1 error.
 */
int dimension_of(const strata_snapshot* snapshot, PyObject* object, uint32_t* number);
/* str, bytes or a path, encoded as the file system's names; NULL for None. */
bool path_of(PyObject* object, PyObject** bytes, const char** path);
/* Looks up; the result has data == NULL if there is none. */
bool find_layer(const strata_snapshot* snapshot, uint32_t dimension, const layer_key* key,
                strata_layer* found);
/* gather(dimension, numbers, out, state=None): see strata/__init__.pyi. */
PyObject* gather(strata_snapshot* snapshot, uint32_t dimension, PyObject* numbers, PyObject* out,
                 PyObject* state);
/* A str of UTF-8; other bytes become surrogates, as in the file system's names. */
PyObject* text_object(strata_string string);
/* A terminated UTF-8 text that strata_free takes back, as a str. */
PyObject* owned_text_object(char* text, size_t size);

#endif
