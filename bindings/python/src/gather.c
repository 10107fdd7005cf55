/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering: the payloads of many layers, copied to the rows of an array. */
#include <string.h>

#include "module.h"

/* Numbers of layers: somebody's buffer, or a copy of a sequence. */
typedef struct {
    Py_buffer view;
    uint64_t* copied; /* NULL: those of the view */
    const uint64_t* numbers;
    size_t count;
} layer_numbers;

static bool refuse_numbers(void) {
    PyErr_SetString(PyExc_TypeError,
                    "the numbers of layers are 64-bit integers in a buffer, or a sequence of int");
    return false;
}

/* numpy's integers have a sign unless told otherwise: as long as none is negative, that is fine. */
static bool are_unsigned(const Py_buffer* view) {
    const char* format = view->format == NULL ? "B" : view->format;
    if (*format == '@' || *format == '=' || *format == '<') ++format;
    if (view->itemsize != 8 || format[0] == '\0' || format[1] != '\0') return refuse_numbers();
    if (strchr("QLN", format[0]) != NULL) return true;
    if (strchr("qln", format[0]) == NULL) return refuse_numbers();
    for (const int64_t *at = view->buf, *end = at + view->len / 8; at != end; ++at) {
        if (*at < 0) {
            PyErr_SetString(PyExc_OverflowError, "the number of a layer is not negative");
            return false;
        }
    }
    return true;
}

static bool copy_numbers(PyObject* sequence, layer_numbers* to) {
    PyObject* const tuple = PySequence_Check(sequence) ? PySequence_Tuple(sequence) : NULL;
    if (tuple == NULL) return PyErr_Occurred() ? false : refuse_numbers();
    to->count = (size_t)PyTuple_Size(tuple);
    to->copied = PyMem_Calloc(to->count == 0 ? 1 : to->count, sizeof *to->copied);
    bool ok = to->copied != NULL;
    if (!ok) PyErr_NoMemory();
    for (size_t i = 0; ok && i < to->count; ++i) {
        ok = as_uint64(PyTuple_GetItem(tuple, (Py_ssize_t)i), &to->copied[i]) != 0;
    }
    Py_DECREF(tuple);
    if (!ok) PyMem_Free(to->copied);
    to->numbers = to->copied;
    return ok;
}

static bool layer_numbers_of(PyObject* object, layer_numbers* to) {
    to->copied = NULL;
    if (!PyObject_CheckBuffer(object)) return copy_numbers(object, to);
    if (PyObject_GetBuffer(object, &to->view, PyBUF_CONTIG_RO | PyBUF_FORMAT) < 0) return false;
    if (!are_unsigned(&to->view)) {
        PyBuffer_Release(&to->view);
        return false;
    }
    to->numbers = to->view.buf;
    to->count = (size_t)to->view.len / 8;
    return true;
}

static void drop_numbers(layer_numbers* numbers) {
    if (numbers->copied == NULL) {
        PyBuffer_Release(&numbers->view);
    } else {
        PyMem_Free(numbers->copied);
    }
}

PyObject* gather(strata_snapshot* snapshot, uint32_t dimension, PyObject* numbers, PyObject* out,
                 PyObject* state) {
    layer_numbers in;
    Py_buffer rows;
    Py_buffer states = {.buf = NULL};
    PyObject* result = NULL;
    if (!layer_numbers_of(numbers, &in)) return NULL;
    if (PyObject_GetBuffer(out, &rows, PyBUF_CONTIG) < 0) goto no_rows;
    if (state != Py_None && PyObject_GetBuffer(state, &states, PyBUF_CONTIG) < 0) goto no_states;
    const size_t count = in.count;
    if (count == 0 ? rows.len != 0 : (size_t)rows.len % count != 0) {
        PyErr_Format(PyExc_ValueError, "%zd bytes of rows cannot be divided among %zu layers",
                     rows.len, count);
    } else if (states.buf != NULL && (size_t)states.len != count) {
        PyErr_Format(PyExc_ValueError, "state has %zd bytes for %zu layers", states.len, count);
    } else {
        size_t copied = 0;
        DECLARE_ERROR(error);
        strata_status status = STRATA_OK;
        strata_snapshot_ref(snapshot); /* somebody may close it meanwhile */
        Py_BEGIN_ALLOW_THREADS status =
            strata_gather(snapshot, dimension, in.numbers, count, rows.buf,
                          count == 0 ? 0 : (size_t)rows.len / count, states.buf, &copied, &error);
        strata_snapshot_release(snapshot);
        Py_END_ALLOW_THREADS result =
            status == STRATA_OK ? PyLong_FromSize_t(copied) : raise_error(status, &error);
    }
    if (states.buf != NULL) PyBuffer_Release(&states);
no_states:
    PyBuffer_Release(&rows);
no_rows:
    drop_numbers(&in);
    return result;
}
