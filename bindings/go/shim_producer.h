/* SPDX-License-Identifier: Apache-2.0 */
/* Producing; see shim.h. */
#ifndef STRATA_GO_SHIM_PRODUCER_H
#define STRATA_GO_SHIM_PRODUCER_H

#include <string.h>

#include "shim.h"

static inline go_handle go_produce(_GoString_ name, const char* base,
                                   strata_producer_options options) {
    GO_ERROR(error);
    strata_producer* producer = NULL;
    options.struct_size = (uint32_t)sizeof options;
    options.base_path = base;
    const strata_status status =
        strata_produce(_GoStringPtr(name), _GoStringLen(name), &options, &producer, &error);
    return (go_handle){producer, go_fail(status, &error)};
}

static inline go_number go_checkpoint(strata_producer* producer) {
    GO_ERROR(error);
    uint64_t generation = 0;
    const strata_status status = strata_checkpoint(producer, &generation, &error);
    return (go_number){generation, go_fail(status, &error)};
}

static inline strata_error* go_wait_durable(strata_producer* producer, uint64_t generation) {
    GO_ERROR(error);
    return go_fail(strata_wait_durable(producer, generation, &error), &error);
}

static inline strata_error* go_set_memory_limit(strata_producer* producer, uint64_t bytes) {
    GO_ERROR(error);
    return go_fail(strata_set_memory_limit(producer, bytes, &error), &error);
}

static inline go_number go_trim(strata_producer* producer) {
    GO_ERROR(error);
    uint64_t bytes = 0;
    const strata_status status = strata_trim(producer, &bytes, &error);
    return (go_number){bytes, go_fail(status, &error)};
}

static inline go_number go_add_dimension(strata_producer* producer, uint32_t dimension,
                                         _GoString_ name, strata_dimension_options options) {
    GO_ERROR(error);
    uint64_t generation = 0;
    options.struct_size = (uint32_t)sizeof options;
    const strata_status status = strata_add_dimension(
        producer, dimension, _GoStringPtr(name), _GoStringLen(name), &options, &generation, &error);
    return (go_number){generation, go_fail(status, &error)};
}

static inline go_number go_move_dimension(strata_producer* producer, uint32_t dimension,
                                          strata_dimension_options options) {
    GO_ERROR(error);
    uint64_t generation = 0;
    options.struct_size = (uint32_t)sizeof options;
    const strata_status status =
        strata_move_dimension(producer, dimension, &options, &generation, &error);
    return (go_number){generation, go_fail(status, &error)};
}

static inline go_number go_add_core_dimensions(strata_producer* producer) {
    GO_ERROR(error);
    uint64_t generation = 0;
    const strata_status status = strata_add_core_dimensions(producer, &generation, &error);
    return (go_number){generation, go_fail(status, &error)};
}

static inline go_number go_set_bookmark(strata_producer* producer, _GoString_ name,
                                        uint64_t generation) {
    GO_ERROR(error);
    uint64_t set = 0;
    const strata_status status = strata_set_bookmark(producer, _GoStringPtr(name),
                                                     _GoStringLen(name), generation, &set, &error);
    return (go_number){set, go_fail(status, &error)};
}

static inline strata_error* go_remove_bookmark(strata_producer* producer, _GoString_ name) {
    GO_ERROR(error);
    return go_fail(strata_remove_bookmark(producer, _GoStringPtr(name), _GoStringLen(name), &error),
                   &error);
}

static inline go_handle go_batch(strata_producer* producer) {
    GO_ERROR(error);
    strata_batch* batch = NULL;
    const strata_status status = strata_batch_new(producer, &batch, &error);
    return (go_handle){batch, go_fail(status, &error)};
}

/* Go's keywords: their bytes one behind the other, and their sizes. */
typedef struct {
    strata_layer_options options;
    strata_string* words;
} go_options;
static inline int go_options_of(go_options* to, double frequency, uint32_t alignment,
                                uint64_t type_tag, const char* words, const uint64_t* sizes,
                                size_t count) {
    to->options = (strata_layer_options)STRATA_LAYER_OPTIONS_INIT;
    to->options.frequency = frequency;
    to->options.alignment = alignment;
    to->options.type_tag = type_tag;
    to->words = NULL;
    if (count == 0) return 1;
    to->words = malloc(count * sizeof *to->words);
    if (to->words == NULL) return 0;
    for (size_t i = 0; i < count; ++i) {
        to->words[i] = (strata_string){words, (size_t)sizes[i]};
        words += sizes[i];
    }
    to->options.keywords = to->words;
    to->options.keyword_count = count;
    return 1;
}

static inline go_number go_put(strata_batch* batch, uint32_t dimension, uint64_t layer, int named,
                               _GoString_ name, go_memory data, size_t size, double frequency,
                               uint32_t alignment, uint64_t type_tag, go_memory words,
                               go_memory sizes, size_t count) {
    GO_ERROR(error);
    go_options options;
    if (!go_options_of(&options, frequency, alignment, type_tag, (const char*)words,
                       (const uint64_t*)(void*)sizes, count)) {
        return (go_number){0, &go_out_of_memory};
    }
    const strata_status status =
        named ? strata_put_name(batch, dimension, _GoStringPtr(name), _GoStringLen(name), data,
                                size, &options.options, &layer, &error)
              : strata_put(batch, dimension, layer, data, size, &options.options, &error);
    free(options.words);
    return (go_number){layer, go_fail(status, &error)};
}

typedef struct {
    void* room;
    uint64_t layer;
    strata_error* error;
} go_room;
static inline go_room go_loan(strata_batch* batch, uint32_t dimension, uint64_t layer, int named,
                              _GoString_ name, size_t size, double frequency, uint32_t alignment,
                              uint64_t type_tag, go_memory words, go_memory sizes, size_t count) {
    GO_ERROR(error);
    go_options options;
    void* room = NULL;
    if (!go_options_of(&options, frequency, alignment, type_tag, (const char*)words,
                       (const uint64_t*)(void*)sizes, count)) {
        return (go_room){NULL, 0, &go_out_of_memory};
    }
    const strata_status status =
        named ? strata_loan_name(batch, dimension, _GoStringPtr(name), _GoStringLen(name), size,
                                 &options.options, &room, &layer, &error)
              : strata_loan(batch, dimension, layer, size, &options.options, &room, &error);
    free(options.words);
    if (status == STRATA_OK) memset(room, 0, size);
    return (go_room){room, layer, go_fail(status, &error)};
}

static inline strata_error* go_erase(strata_batch* batch, uint32_t dimension, uint64_t layer) {
    GO_ERROR(error);
    return go_fail(strata_erase(batch, dimension, layer, &error), &error);
}

static inline strata_error* go_erase_name(strata_batch* batch, uint32_t dimension,
                                          _GoString_ name) {
    GO_ERROR(error);
    return go_fail(
        strata_erase_name(batch, dimension, _GoStringPtr(name), _GoStringLen(name), &error),
        &error);
}

static inline strata_error* go_remove_dimension(strata_batch* batch, uint32_t dimension) {
    GO_ERROR(error);
    return go_fail(strata_remove_dimension(batch, dimension, &error), &error);
}

static inline strata_error* go_clear_dimension(strata_batch* batch, uint32_t dimension) {
    GO_ERROR(error);
    return go_fail(strata_clear_dimension(batch, dimension, &error), &error);
}

static inline go_number go_batch_dimension(strata_batch* batch, _GoString_ name) {
    GO_ERROR(error);
    uint32_t dimension = 0;
    const strata_status status =
        strata_batch_dimension(batch, _GoStringPtr(name), _GoStringLen(name), &dimension, &error);
    return (go_number){dimension, go_fail(status, &error)};
}

static inline strata_error* go_name_dimension(strata_batch* batch, uint32_t dimension,
                                              _GoString_ name) {
    GO_ERROR(error);
    return go_fail(
        strata_name_dimension(batch, dimension, _GoStringPtr(name), _GoStringLen(name), &error),
        &error);
}

static inline go_number go_crystallize(strata_batch* batch) {
    GO_ERROR(error);
    uint64_t generation = 0;
    const strata_status status = strata_crystallize(batch, &generation, &error);
    return (go_number){generation, go_fail(status, &error)};
}

#endif
