/* SPDX-License-Identifier: Apache-2.0 */
/* Loan: room in a batch, as a writable buffer. */
#include "producing.h"

static PyTypeObject* loan_type;

PyObject* make_loan(BatchObject* batch, void* room, Py_ssize_t size) {
    LoanObject* const self = (LoanObject*)allocate(loan_type);
    if (self == NULL) return NULL;
    self->batch = (BatchObject*)Py_NewRef((PyObject*)batch);
    self->room = room;
    self->size = size;
    self->change = batch->changes;
    return (PyObject*)self;
}

static int loan_buffer(PyObject* object, Py_buffer* view, int flags) {
    LoanObject* const self = (LoanObject*)object;
    if (self->batch->batch == NULL || self->change != self->batch->changes || self->batch->busy) {
        PyErr_SetString(PyExc_BufferError, "the batch was changed after the loan, or is closed");
        return -1;
    }
    if (PyBuffer_FillInfo(view, object, self->room, self->size, 0, flags) < 0) return -1;
    ++self->batch->exports;
    return 0;
}

static void loan_release(PyObject* object, Py_buffer* view) {
    (void)view;
    --((LoanObject*)object)->batch->exports;
}

static PyObject* loan_enter(PyObject* object, PyObject* unused) {
    (void)unused;
    LoanObject* const self = (LoanObject*)object;
    PyObject* const view = PyMemoryView_FromObject(object);
    if (view == NULL) return NULL;
    Py_XDECREF(self->view);
    self->view = Py_NewRef(view);
    return view;
}

static PyObject* loan_leave(PyObject* object, PyObject* args) {
    (void)args;
    LoanObject* const self = (LoanObject*)object;
    PyObject* const view = self->view;
    self->view = NULL;
    if (view == NULL) Py_RETURN_NONE;
    PyObject* const result = PyObject_CallMethod(view, "release", NULL);
    Py_DECREF(view);
    return result;
}

static Py_ssize_t loan_length(PyObject* object) { return ((LoanObject*)object)->size; }

static int loan_traverse(PyObject* object, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(((LoanObject*)object)->view);
    return 0;
}

static int loan_clear(PyObject* object) {
    Py_CLEAR(((LoanObject*)object)->view);
    return 0;
}

static void loan_dealloc(PyObject* object) {
    LoanObject* const self = (LoanObject*)object;
    PyObject_GC_UnTrack(object);
    Py_CLEAR(self->view);
    Py_XDECREF((PyObject*)self->batch);
    deallocate(object);
}

static PyMethodDef loan_methods[] = {
    {"__enter__", loan_enter, METH_NOARGS, NULL},
    {"__exit__", loan_leave, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot loan_slots[] = {
    {Py_tp_dealloc, loan_dealloc},       {Py_tp_traverse, loan_traverse},
    {Py_tp_clear, loan_clear},           {Py_bf_getbuffer, loan_buffer},
    {Py_bf_releasebuffer, loan_release}, {Py_sq_length, loan_length},
    {Py_tp_methods, loan_methods},       {0, NULL},
};
static PyType_Spec loan_spec = {
    "strata.Loan", sizeof(LoanObject), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION, loan_slots};

bool add_loan_type(PyObject* module) {
    loan_type = add_type(module, &loan_spec, "Loan");
    return loan_type != NULL;
}
