/* SPDX-License-Identifier: Apache-2.0 */
/* What producer.c, batch.c and loan.c know of each other. A batch belongs to its producer, which
 * ends it when it is closed; a loan's memory can be reached until its batch is changed again, and
 * while somebody reaches it, the batch cannot be changed. */
#ifndef STRATA_PYTHON_PRODUCING_H
#define STRATA_PYTHON_PRODUCING_H

#include "module.h"

struct batch_object;

typedef struct {
    PyObject_HEAD strata_producer* producer; /* NULL: closed */
    struct batch_object* batches;            /* a list of those that are open */
    Py_ssize_t busy;                         /* other threads in it, without the GIL */
} ProducerObject;

typedef struct batch_object {
    PyObject_HEAD ProducerObject* producer; /* a reference */
    strata_batch* batch;                    /* NULL: closed */
    struct batch_object* next;
    bool busy;          /* another thread is in it, without the GIL */
    Py_ssize_t exports; /* views of loans */
    uint64_t changes;   /* counts them, so that a loan knows whether there was one after it */
} BatchObject;

typedef struct {
    PyObject_HEAD BatchObject* batch; /* a reference */
    void* room;
    Py_ssize_t size;
    uint64_t change;
    PyObject* view; /* of `with` */
} LoanObject;

#define WITH_KEYWORDS(function) \
    (PyCFunction)(void (*)(void))(function), METH_VARARGS | METH_KEYWORDS

bool add_batch_type(PyObject* module);
bool add_loan_type(PyObject* module);

PyObject* make_batch(ProducerObject* producer);
/* Drops its changes and takes it off its producer's list. Nobody may be in it, nor have a view. */
void end_batch(BatchObject* batch);
/* Of memory that was just lent by the batch. */
PyObject* make_loan(BatchObject* batch, void* room, Py_ssize_t size);

#endif
