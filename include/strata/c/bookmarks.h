/* SPDX-License-Identifier: Apache-2.0 */
/* Bookmarks: generations that are kept under names until these are taken away, whoever is producer
 * meanwhile. See strata/bookmark.hpp. */
#ifndef STRATA_C_BOOKMARKS_H
#define STRATA_C_BOOKMARKS_H

#include "strata/c/base.h"
#include "strata/c/consumer.h"
#include "strata/c/producer.h"
#include "strata/c/snapshot.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Gives a generation a name of 1 to 63 bytes: the newest one if `generation` is 0, else one that is
 * retained or has another bookmark. *set (may be NULL): its number. A name that is taken moves.
 * Some 50 microseconds, in which other commits wait. Errors, after which all bookmarks are as they
 * were: invalid_name, generation_not_retained, limit_exceeded (a store has 64), no_space,
 * permission_denied, wrong_process, system. */
STRATA_API strata_status strata_set_bookmark(strata_producer* producer, const char* name,
                                             size_t name_size, uint64_t generation, uint64_t* set,
                                             strata_error* error);
/* Who has a snapshot by this bookmark keeps it; what nobody reads comes free at once. Errors, after
 * which it stands: bookmark_not_found, no_space, permission_denied, wrong_process, system. */
STRATA_API strata_status strata_remove_bookmark(strata_producer* producer, const char* name,
                                                size_t name_size, strata_error* error);

/* The generation that has this bookmark; it stays when that is moved or removed. Reads a small
 * file: some 20 microseconds. Errors: bookmark_not_found, and those of strata_snapshot_take. */
STRATA_API strata_status strata_snapshot_take_bookmark(strata_consumer* consumer, const char* name,
                                                       size_t name_size, strata_snapshot** snapshot,
                                                       strata_error* error);

typedef struct strata_bookmark {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t generation;
    int64_t made_at_ns; /* since 1970: when this generation got the name */
    strata_string name; /* borrowed from the list */
} strata_bookmark;
#define STRATA_BOOKMARK_INIT                                    \
    {                                                           \
        (uint32_t)sizeof(strata_bookmark), 0, 0, 0, { NULL, 0 } \
    }

typedef struct strata_bookmark_list strata_bookmark_list;

/* All of them, by name; a copy. Give back with strata_bookmark_list_free. */
STRATA_API strata_status strata_bookmarks(const strata_consumer* consumer,
                                          strata_bookmark_list** list, strata_error* error);
STRATA_API size_t strata_bookmark_list_size(const strata_bookmark_list* list);
STRATA_API strata_status strata_bookmark_list_get(const strata_bookmark_list* list, size_t index,
                                                  strata_bookmark* bookmark, strata_error* error);
STRATA_API void strata_bookmark_list_free(strata_bookmark_list* list);

#ifdef __cplusplus
}
#endif
#endif
