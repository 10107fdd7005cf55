/* SPDX-License-Identifier: Apache-2.0 */
/* What Go calls: the C ABI with results by value, so that nothing escapes to Go's heap, and errors
 * as pointers that are NULL on success. No Go memory that holds Go pointers is passed in. */
#ifndef STRATA_GO_SHIM_H
#define STRATA_GO_SHIM_H

#include <stdlib.h>

#include <strata/strata.h>

/* An error to be filled, without zeroing its texts. */
#define GO_ERROR(name) \
    strata_error name; \
    name.struct_size = (uint32_t)sizeof name

typedef struct {
    strata_layer layer;
    strata_error* error;
} go_layer;
typedef struct {
    void* handle;
    strata_error* error;
} go_handle;
typedef struct {
    uint64_t value;
    strata_error* error;
} go_number;

/* Memory of Go, for as long as the call takes. Typed, since of a void* cgo would look through all
 * that the memory is a part of, and refuse it if there is a pointer beside it. */
typedef uint8_t* go_memory;

/* What is returned where there is no memory for an error. */
extern strata_error go_out_of_memory;

/* A copy for Go, which gives it back. */
static inline strata_error* go_fail(strata_status status, const strata_error* error) {
    if (status == STRATA_OK) return NULL;
    strata_error* const copy = malloc(sizeof *copy);
    if (copy == NULL) return &go_out_of_memory;
    *copy = *error;
    copy->code = status;
    return copy;
}

static inline void go_error_free(strata_error* error) {
    if (error != &go_out_of_memory) free(error);
}

#endif
