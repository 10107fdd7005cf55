/* SPDX-License-Identifier: Apache-2.0 */
/* The dimensions of a snapshot, and walking through the layers of one. */
#ifndef STRATA_C_DIMENSIONS_H
#define STRATA_C_DIMENSIONS_H

#include "strata/c/base.h"
#include "strata/c/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct strata_dimension_list strata_dimension_list;
typedef struct strata_cursor strata_cursor;

typedef struct strata_dimension_info {
    uint32_t struct_size;
    uint32_t dimension;
    strata_string name; /* borrowed from the list */
    uint64_t layers;
    uint64_t live_bytes; /* of blocks that this generation uses, index included */
    uint64_t generation; /* that changed the dimension last */
} strata_dimension_info;
#define STRATA_DIMENSION_INFO_INIT \
    { (uint32_t)sizeof(strata_dimension_info), 0, {0, 0}, 0, 0, 0 }

/* *has: 1 or 0. */
STRATA_API strata_status strata_has_dimension(const strata_snapshot* snapshot, uint32_t dimension,
                                              int* has, strata_error* error);
/* The number of the dimension called `name` (the lowest, if several are): dimension_not_found if
 * there is none. The first call on a snapshot is O(dimensions), further ones look into a table. */
STRATA_API strata_status strata_dimension_number(const strata_snapshot* snapshot, const char* name,
                                                 size_t name_size, uint32_t* dimension,
                                                 strata_error* error);
/* Number of layers of a dimension: dimension_not_found if there is none. */
STRATA_API strata_status strata_dimension_layers(const strata_snapshot* snapshot,
                                                 uint32_t dimension, uint64_t* layers,
                                                 strata_error* error);

/* All dimensions, ascending by number. O(dimensions). The list is a copy, independent of the
 * snapshot; give back with strata_dimension_list_free. */
STRATA_API strata_status strata_dimensions(const strata_snapshot* snapshot,
                                           strata_dimension_list** list, strata_error* error);
STRATA_API size_t strata_dimension_list_size(const strata_dimension_list* list);
STRATA_API strata_status strata_dimension_list_get(const strata_dimension_list* list, size_t index,
                                                   strata_dimension_info* info,
                                                   strata_error* error);
STRATA_API void strata_dimension_list_free(strata_dimension_list* list);

/* A walk through the layers of a dimension, ascending by number; holds a reference to the snapshot.
 * dimension_not_found if there is none. Give back with strata_cursor_close. */
STRATA_API strata_status strata_cursor_open(strata_snapshot* snapshot, uint32_t dimension,
                                            strata_cursor** cursor, strata_error* error);
/* The next layers, at most `room`, their numbers into `numbers` and they themselves into `layers`
 * (either may be NULL). *count is how many; 0: the end. Where damaged bytes end the walk, the
 * layers before them are still given; the next call fails with corrupt, and every one after it. */
STRATA_API strata_status strata_cursor_next(strata_cursor* cursor, uint64_t* numbers,
                                            strata_layer* layers, size_t room, size_t* count,
                                            strata_error* error);
STRATA_API void strata_cursor_close(strata_cursor* cursor);

#ifdef __cplusplus
}
#endif
#endif
