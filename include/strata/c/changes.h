/* SPDX-License-Identifier: Apache-2.0 */
/* The difference of two snapshots of one store. */
#ifndef STRATA_C_CHANGES_H
#define STRATA_C_CHANGES_H

#include "strata/c/base.h"
#include "strata/c/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct strata_changes strata_changes;

enum strata_change_kind { STRATA_ADDED = 0, STRATA_UPDATED = 1, STRATA_REMOVED = 2 };

/* One layer that differs. */
typedef struct strata_change {
    strata_id id;
    uint32_t kind; /* strata_change_kind */
    uint32_t reserved;
    strata_layer before; /* data == NULL if added */
    strata_layer after;  /* data == NULL if removed */
} strata_change;

/* Everything that differs, ascending by id. `before` may be NULL: an empty store. Either may be the
 * older one. O(changes x height), not O(layers). Errors: invalid_argument (snapshots of different
 * stores), corrupt, out_of_memory. The list holds references to both snapshots; give back with
 * strata_changes_free. */
STRATA_API strata_status strata_changes_between(strata_snapshot* before, strata_snapshot* after,
                                                strata_changes** changes, strata_error* error);
/* As above, of one dimension. */
STRATA_API strata_status strata_changes_in(strata_snapshot* before, strata_snapshot* after,
                                           uint32_t dimension, strata_changes** changes,
                                           strata_error* error);
STRATA_API size_t strata_changes_size(const strata_changes* changes);
/* The first of strata_changes_size of them, one behind the other; borrowed from `changes`. NULL if
 * there is none. */
STRATA_API const strata_change* strata_changes_data(const strata_changes* changes);
STRATA_API void strata_changes_free(strata_changes* changes);

typedef struct strata_dimension_changes strata_dimension_changes;

enum strata_dimension_change_kind {
    STRATA_DIMENSION_ADDED = 0,
    STRATA_DIMENSION_REMOVED = 1,
    STRATA_DIMENSION_RENAMED = 2
};

/* A dimension that one of two snapshots does not have, or has under another name. */
typedef struct strata_dimension_change {
    uint32_t struct_size;
    uint32_t dimension;
    uint32_t kind; /* strata_dimension_change_kind */
    uint32_t reserved;
    strata_string before; /* its name, borrowed from the list; size 0 if added */
    strata_string after;  /* size 0 if removed */
} strata_dimension_change;
#define STRATA_DIMENSION_CHANGE_INIT                                               \
    {                                                                              \
        (uint32_t)sizeof(strata_dimension_change), 0, 0, 0, {NULL, 0}, { NULL, 0 } \
    }

/* All of them, ascending by number, also those without a layer. `before` may be NULL: an empty
 * store. O(changed dimensions x height). Errors as strata_changes_between. The list is a copy,
 * independent of the snapshots; give back with strata_dimension_changes_free. */
STRATA_API strata_status strata_dimension_changes_between(strata_snapshot* before,
                                                          strata_snapshot* after,
                                                          strata_dimension_changes** changes,
                                                          strata_error* error);
STRATA_API size_t strata_dimension_changes_size(const strata_dimension_changes* changes);
STRATA_API strata_status strata_dimension_changes_get(const strata_dimension_changes* changes,
                                                      size_t index, strata_dimension_change* change,
                                                      strata_error* error);
STRATA_API void strata_dimension_changes_free(strata_dimension_changes* changes);

#ifdef __cplusplus
}
#endif
#endif
