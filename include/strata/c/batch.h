/* SPDX-License-Identifier: Apache-2.0 */
/* strata_batch: changes that become visible together, or not at all. */
#ifndef STRATA_C_BATCH_H
#define STRATA_C_BATCH_H

#include "strata/c/base.h"
#include "strata/c/producer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct strata_batch strata_batch;

/* What a layer carries beside its payload. */
typedef struct strata_layer_options {
    uint32_t struct_size;
    uint32_t alignment;            /* of the payload: a power of two; 0: the default */
    double frequency;              /* Hz */
    uint64_t type_tag;             /* 0: plain bytes; else of strata_type_tag */
    const strata_string* keywords; /* copied */
    size_t keyword_count;
} strata_layer_options;
#define STRATA_LAYER_OPTIONS_INIT \
    { (uint32_t)sizeof(strata_layer_options), 0, 0, 0, NULL, 0 }

/* A new, empty batch. It must be given back (strata_batch_free) before its producer is closed. */
STRATA_API strata_status strata_batch_new(strata_producer* producer, strata_batch** batch,
                                          strata_error* error);
/* Drops what was not published, and the batch. */
STRATA_API void strata_batch_free(strata_batch* batch);

/* Copies `size` bytes in as the new version of the layer; a dimension that is not there is added.
 * `options` may be NULL. Errors, after which the batch is as it was: limit_exceeded, no_space,
 * layer_too_large, invalid_argument. */
STRATA_API strata_status strata_put(strata_batch* batch, uint32_t dimension, uint64_t layer,
                                    const void* data, size_t size,
                                    const strata_layer_options* options, strata_error* error);
/* The same for a layer with a name, whose number goes to *layer (may be NULL). name_collision, here
 * or when crystallizing, if that number belongs to another name. */
STRATA_API strata_status strata_put_name(strata_batch* batch, uint32_t dimension, const char* name,
                                         size_t name_size, const void* data, size_t size,
                                         const strata_layer_options* options, uint64_t* layer,
                                         strata_error* error);
/* Room of `size` bytes, not zeroed, to be filled in place. *room is valid until the batch is
 * crystallized (also if that fails), cleared or given back, or the same layer is changed again. */
STRATA_API strata_status strata_loan(strata_batch* batch, uint32_t dimension, uint64_t layer,
                                     size_t size, const strata_layer_options* options, void** room,
                                     strata_error* error);
/* The same for a layer with a name, whose number goes to *layer (may be NULL). */
STRATA_API strata_status strata_loan_name(strata_batch* batch, uint32_t dimension, const char* name,
                                          size_t name_size, size_t size,
                                          const strata_layer_options* options, void** room,
                                          uint64_t* layer, strata_error* error);
/* Removes a layer; no effect if there is none. */
STRATA_API strata_status strata_erase(strata_batch* batch, uint32_t dimension, uint64_t layer,
                                      strata_error* error);
STRATA_API strata_status strata_erase_name(strata_batch* batch, uint32_t dimension,
                                           const char* name, size_t name_size, strata_error* error);
/* Removes a dimension with all its layers, those put earlier in this batch included. */
STRATA_API strata_status strata_remove_dimension(strata_batch* batch, uint32_t dimension,
                                                 strata_error* error);
/* Removes all layers that the dimension has when the batch is crystallized; what this batch puts
 * into it stays, so that it has that and nothing else. No effect if there is no such dimension.
 * O(its layers), by strata_crystallize. */
STRATA_API strata_status strata_clear_dimension(strata_batch* batch, uint32_t dimension,
                                                strata_error* error);
/* The number of the dimension called `name`, to put into: one that the store has, or that this
 * batch adds or renames; else a new one is added, as Batch::add_dimension in batch.hpp says.
 * O(dimensions). invalid_argument: a name of 0 bytes, or of more than 55. */
STRATA_API strata_status strata_batch_dimension(strata_batch* batch, const char* name,
                                                size_t name_size, uint32_t* dimension,
                                                strata_error* error);
/* Adds an empty dimension, or renames it. */
STRATA_API strata_status strata_name_dimension(strata_batch* batch, uint32_t dimension,
                                               const char* name, size_t name_size,
                                               strata_error* error);

/* Publishes all of it atomically, as *generation (may be NULL), and leaves the batch empty for the
 * next use. On an error (limit_exceeded, no_space, name_collision, dimension_not_found,
 * store_replaced, wrong_process) nothing was published, the batch has its changes still, and the
 * call may be repeated. An empty batch publishes nothing. */
STRATA_API strata_status strata_crystallize(strata_batch* batch, uint64_t* generation,
                                            strata_error* error);
/* Drops all changes. */
STRATA_API void strata_batch_clear(strata_batch* batch);
/* Number of changes that wait. */
STRATA_API size_t strata_batch_size(const strata_batch* batch);

#ifdef __cplusplus
}
#endif
#endif
