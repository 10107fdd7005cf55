/* SPDX-License-Identifier: Apache-2.0 */
/* strata_layer: a view of one published, immutable layer, in place in the mapping. */
#ifndef STRATA_C_LAYER_H
#define STRATA_C_LAYER_H

#include "strata/c/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Where a layer's payload is. data == NULL: there is no such layer; an empty one has an address.
 * Borrowed from the snapshot that gave it. `token` is the library's own. */
typedef struct strata_layer {
    const void* data;
    uint64_t size; /* bytes */
    uint64_t token;
} strata_layer;

/* What is stored beside the payload. */
typedef struct strata_layer_info {
    uint32_t struct_size;
    uint32_t dimension;
    uint64_t layer;
    uint64_t generation; /* in which this version was published */
    double frequency;    /* Hz */
    uint64_t checksum;
    uint64_t type_tag;  /* 0: plain bytes */
    uint64_t keywords;  /* number of them: strata_layer_keywords */
    strata_string name; /* borrowed; size 0: the layer has a number only */
} strata_layer_info;
#define STRATA_LAYER_INFO_INIT                                             \
    {                                                                      \
        (uint32_t)sizeof(strata_layer_info), 0, 0, 0, 0, 0, 0, 0, { 0, 0 } \
    }

/* Reads the layer's header and metadata. STRATA_CORRUPT if that is damaged. */
STRATA_API strata_status strata_layer_describe(const strata_layer* layer, strata_layer_info* info,
                                               strata_error* error);
/* The keywords from number `first` on, in the order in which they were put: at most `room` into
 * `keywords`; *count says how many. Borrowed. O(keywords). */
STRATA_API strata_status strata_layer_keywords(const strata_layer* layer, size_t first,
                                               strata_string* keywords, size_t room, size_t* count,
                                               strata_error* error);
/* Copies `size` payload bytes from `offset` on. A file that is cut short at this very moment is
 * STRATA_TRUNCATED, where a plain read of layer->data would be a SIGBUS (strata/read_guard.hpp);
 * `to` is unspecified then. STRATA_INVALID_ARGUMENT beyond the end. A microsecond and the copy. */
STRATA_API strata_status strata_layer_copy(const strata_layer* layer, uint64_t offset, void* to,
                                           size_t size, strata_error* error);
/* Recomputes the checksum over all bytes: STRATA_CORRUPT if it does not match, STRATA_TRUNCATED as
 * above. O(size). */
STRATA_API strata_status strata_layer_verify(const strata_layer* layer, strata_error* error);
/* The number of the layer called `name`: XXH3-64 of its bytes. */
STRATA_API uint64_t strata_layer_number(const char* name, size_t name_size);

#ifdef __cplusplus
}
#endif
#endif
