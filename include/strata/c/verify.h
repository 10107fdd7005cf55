/* SPDX-License-Identifier: Apache-2.0 */
/* Checking every byte that a snapshot reaches. */
#ifndef STRATA_C_VERIFY_H
#define STRATA_C_VERIFY_H

#include "strata/c/base.h"
#include "strata/c/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct strata_verification strata_verification;

typedef struct strata_verify_options {
    uint32_t struct_size;
    uint32_t one_dimension; /* 1: `dimension` alone */
    uint32_t dimension;
    uint32_t reserved;
    uint64_t max_failures; /* remembered in full; all are counted. 0: 100 */
} strata_verify_options;
#define STRATA_VERIFY_OPTIONS_INIT \
    { (uint32_t)sizeof(strata_verify_options), 0, 0, 0, 0 }

typedef struct strata_verify_summary {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t generation;
    uint64_t dimensions; /* looked at */
    uint64_t layers;     /* looked at */
    uint64_t payload_bytes;
    uint64_t failures;            /* 0: all is well */
    uint64_t remembered_failures; /* that strata_verification_failure gives */
} strata_verify_summary;
#define STRATA_VERIFY_SUMMARY_INIT \
    { (uint32_t)sizeof(strata_verify_summary), 0, 0, 0, 0, 0, 0, 0 }

/* One thing that is wrong. Texts are borrowed from the verification. */
typedef struct strata_verify_failure {
    uint32_t struct_size;
    uint32_t has_dimension; /* 0: the root or the directory of dimensions */
    uint32_t has_layer;     /* 0: the region, its index or its record */
    uint32_t dimension;
    uint64_t layer;
    uint64_t offset;    /* in the file, where known */
    strata_string file; /* name in the store's directory */
    strata_string what;
} strata_verify_failure;
#define STRATA_VERIFY_FAILURE_INIT                                               \
    {                                                                            \
        (uint32_t)sizeof(strata_verify_failure), 0, 0, 0, 0, 0, {0, 0}, { 0, 0 } \
    }

/* Verifies the generation; `options` may be NULL. Damage is reported in the result, it is no error.
 * Errors: dimension_not_found, out_of_memory. Some 10 GB/s. Give back with
 * strata_verification_free. */
STRATA_API strata_status strata_verify(const strata_snapshot* snapshot,
                                       const strata_verify_options* options,
                                       strata_verification** verification, strata_error* error);
STRATA_API strata_status strata_verification_describe(const strata_verification* verification,
                                                      strata_verify_summary* summary,
                                                      strata_error* error);
STRATA_API strata_status strata_verification_failure(const strata_verification* verification,
                                                     size_t index, strata_verify_failure* failure,
                                                     strata_error* error);
STRATA_API void strata_verification_free(strata_verification* verification);

#ifdef __cplusplus
}
#endif
#endif
