/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots and what is in them; see shim.h. */
#ifndef STRATA_GO_SHIM_SNAPSHOT_H
#define STRATA_GO_SHIM_SNAPSHOT_H

#include "shim.h"

/* generation 0: the newest. */
static inline go_handle go_snapshot(strata_consumer* consumer, uint64_t generation) {
    GO_ERROR(error);
    strata_snapshot* snapshot = NULL;
    const strata_status status =
        generation == 0 ? strata_snapshot_take(consumer, &snapshot, &error)
                        : strata_snapshot_take_at(consumer, generation, &snapshot, &error);
    return (go_handle){snapshot, go_fail(status, &error)};
}

static inline go_handle go_snapshot_at_time(strata_consumer* consumer, int64_t time_ns) {
    GO_ERROR(error);
    strata_snapshot* snapshot = NULL;
    const strata_status status = strata_snapshot_take_at_time(consumer, time_ns, &snapshot, &error);
    return (go_handle){snapshot, go_fail(status, &error)};
}

static inline go_handle go_snapshot_bookmark(strata_consumer* consumer, _GoString_ name) {
    GO_ERROR(error);
    strata_snapshot* snapshot = NULL;
    const strata_status status = strata_snapshot_take_bookmark(
        consumer, _GoStringPtr(name), _GoStringLen(name), &snapshot, &error);
    return (go_handle){snapshot, go_fail(status, &error)};
}

static inline go_handle go_bookmarks(strata_consumer* consumer) {
    GO_ERROR(error);
    strata_bookmark_list* list = NULL;
    const strata_status status = strata_bookmarks(consumer, &list, &error);
    return (go_handle){list, go_fail(status, &error)};
}

/* All zeros: there is none of that number. */
static inline strata_bookmark go_bookmark_get(strata_bookmark_list* list, size_t index) {
    strata_bookmark bookmark = STRATA_BOOKMARK_INIT;
    strata_bookmark_list_get(list, index, &bookmark, NULL);
    return bookmark;
}

typedef struct {
    strata_snapshot_info info;
    strata_error* error;
} go_snapshot_info;
static inline go_snapshot_info go_snapshot_describe(strata_snapshot* snapshot) {
    GO_ERROR(error);
    go_snapshot_info result = {STRATA_SNAPSHOT_INFO_INIT, NULL};
    result.error = go_fail(strata_snapshot_describe(snapshot, &result.info, &error), &error);
    return result;
}

/* A void*: a pointer to what Go does not know the size of would cost it an allocation. */
static inline go_layer go_find(void* snapshot, uint32_t dimension, uint64_t layer) {
    GO_ERROR(error);
    go_layer result = {{NULL, 0, 0}, NULL};
    const strata_status status = strata_find(snapshot, dimension, layer, &result.layer, &error);
    result.error = go_fail(status, &error);
    return result;
}

static inline go_layer go_find_name(void* snapshot, uint32_t dimension, _GoString_ name) {
    GO_ERROR(error);
    go_layer result = {{NULL, 0, 0}, NULL};
    const strata_status status = strata_find_name(snapshot, dimension, _GoStringPtr(name),
                                                  _GoStringLen(name), &result.layer, &error);
    result.error = go_fail(status, &error);
    return result;
}

static inline strata_error* go_find_many(strata_snapshot* snapshot, go_memory ids, size_t count,
                                         go_memory found) {
    GO_ERROR(error);
    return go_fail(strata_find_many(snapshot, (void*)ids, count, (void*)found, &error), &error);
}

static inline strata_error* go_find_in(strata_snapshot* snapshot, uint32_t dimension,
                                       go_memory layers, size_t count, go_memory found) {
    GO_ERROR(error);
    return go_fail(strata_find_in(snapshot, dimension, (void*)layers, count, (void*)found, &error),
                   &error);
}

static inline go_number go_gather(strata_snapshot* snapshot, uint32_t dimension, go_memory layers,
                                  size_t count, go_memory rows, size_t row_bytes,
                                  go_memory states) {
    GO_ERROR(error);
    size_t copied = 0;
    const strata_status status = strata_gather(snapshot, dimension, (void*)layers, count, rows,
                                               row_bytes, states, &copied, &error);
    return (go_number){copied, go_fail(status, &error)};
}

typedef struct {
    strata_layer_info info;
    strata_error* error;
} go_layer_info;
static inline go_layer_info go_layer_describe(strata_layer layer) {
    GO_ERROR(error);
    go_layer_info result = {STRATA_LAYER_INFO_INIT, NULL};
    result.error = go_fail(strata_layer_describe(&layer, &result.info, &error), &error);
    return result;
}

/* `keywords` is memory of C's, with room for `count`. */
static inline strata_error* go_layer_keywords(strata_layer layer, strata_string* keywords,
                                              size_t count) {
    GO_ERROR(error);
    size_t given = 0;
    return go_fail(strata_layer_keywords(&layer, 0, keywords, count, &given, &error), &error);
}

static inline strata_error* go_layer_copy(strata_layer layer, uint64_t offset, go_memory to,
                                          size_t size) {
    GO_ERROR(error);
    return go_fail(strata_layer_copy(&layer, offset, to, size, &error), &error);
}

static inline strata_error* go_layer_verify(strata_layer layer) {
    GO_ERROR(error);
    return go_fail(strata_layer_verify(&layer, &error), &error);
}

static inline uint64_t go_layer_number(_GoString_ name) {
    return strata_layer_number(_GoStringPtr(name), _GoStringLen(name));
}

static inline strata_type go_type(_GoString_ name, uint64_t size, uint64_t alignment,
                                  uint32_t array) {
    const strata_type type = {_GoStringPtr(name), _GoStringLen(name), size, alignment, array, 0};
    return type;
}
static inline uint64_t go_type_tag(_GoString_ name, uint64_t size, uint64_t alignment,
                                   uint32_t array) {
    const strata_type type = go_type(name, size, alignment, array);
    return strata_type_tag(&type);
}
static inline strata_error* go_layer_expect(strata_layer layer, _GoString_ name, uint64_t size,
                                            uint64_t alignment, uint32_t array) {
    GO_ERROR(error);
    const strata_type type = go_type(name, size, alignment, array);
    return go_fail(strata_layer_expect(&layer, &type, &error), &error);
}

static inline go_number go_has_dimension(strata_snapshot* snapshot, uint32_t dimension) {
    GO_ERROR(error);
    int has = 0;
    const strata_status status = strata_has_dimension(snapshot, dimension, &has, &error);
    return (go_number){(uint64_t)has, go_fail(status, &error)};
}

static inline go_number go_dimension_number(strata_snapshot* snapshot, _GoString_ name) {
    GO_ERROR(error);
    uint32_t dimension = 0;
    const strata_status status = strata_dimension_number(snapshot, _GoStringPtr(name),
                                                         _GoStringLen(name), &dimension, &error);
    return (go_number){dimension, go_fail(status, &error)};
}

static inline go_number go_dimension_layers(strata_snapshot* snapshot, uint32_t dimension) {
    GO_ERROR(error);
    uint64_t layers = 0;
    const strata_status status = strata_dimension_layers(snapshot, dimension, &layers, &error);
    return (go_number){layers, go_fail(status, &error)};
}

static inline go_handle go_dimensions(strata_snapshot* snapshot) {
    GO_ERROR(error);
    strata_dimension_list* list = NULL;
    const strata_status status = strata_dimensions(snapshot, &list, &error);
    return (go_handle){list, go_fail(status, &error)};
}

typedef struct {
    strata_dimension_info info;
    strata_error* error;
} go_dimension_info;
static inline go_dimension_info go_dimension_at(strata_dimension_list* list, size_t index) {
    GO_ERROR(error);
    go_dimension_info result = {STRATA_DIMENSION_INFO_INIT, NULL};
    result.error = go_fail(strata_dimension_list_get(list, index, &result.info, &error), &error);
    return result;
}

static inline go_handle go_cursor(strata_snapshot* snapshot, uint32_t dimension) {
    GO_ERROR(error);
    strata_cursor* cursor = NULL;
    const strata_status status = strata_cursor_open(snapshot, dimension, &cursor, &error);
    return (go_handle){cursor, go_fail(status, &error)};
}

static inline go_number go_cursor_next(strata_cursor* cursor, go_memory numbers, go_memory layers,
                                       size_t room) {
    GO_ERROR(error);
    size_t count = 0;
    const strata_status status =
        strata_cursor_next(cursor, (void*)numbers, (void*)layers, room, &count, &error);
    return (go_number){count, go_fail(status, &error)};
}

static inline go_handle go_changes(strata_snapshot* before, strata_snapshot* after, int one,
                                   uint32_t dimension) {
    GO_ERROR(error);
    strata_changes* changes = NULL;
    const strata_status status = one ? strata_changes_in(before, after, dimension, &changes, &error)
                                     : strata_changes_between(before, after, &changes, &error);
    return (go_handle){changes, go_fail(status, &error)};
}

static inline go_handle go_dimension_changes(strata_snapshot* before, strata_snapshot* after) {
    GO_ERROR(error);
    strata_dimension_changes* changes = NULL;
    const strata_status status = strata_dimension_changes_between(before, after, &changes, &error);
    return (go_handle){changes, go_fail(status, &error)};
}

typedef struct {
    strata_dimension_change change;
    strata_error* error;
} go_dimension_change;
static inline go_dimension_change go_dimension_change_at(strata_dimension_changes* changes,
                                                         size_t index) {
    GO_ERROR(error);
    go_dimension_change result = {STRATA_DIMENSION_CHANGE_INIT, NULL};
    result.error =
        go_fail(strata_dimension_changes_get(changes, index, &result.change, &error), &error);
    return result;
}

typedef struct {
    strata_verification* verification;
    strata_verify_summary summary;
    strata_error* error;
} go_verification;
static inline go_verification go_verify(strata_snapshot* snapshot, strata_verify_options options) {
    GO_ERROR(error);
    go_verification result = {NULL, STRATA_VERIFY_SUMMARY_INIT, NULL};
    options.struct_size = (uint32_t)sizeof options;
    strata_status status = strata_verify(snapshot, &options, &result.verification, &error);
    if (status == STRATA_OK) {
        status = strata_verification_describe(result.verification, &result.summary, &error);
    }
    result.error = go_fail(status, &error);
    return result;
}

typedef struct {
    strata_verify_failure failure;
    strata_error* error;
} go_failure;
static inline go_failure go_verify_failure(strata_verification* verification, size_t index) {
    GO_ERROR(error);
    go_failure result = {STRATA_VERIFY_FAILURE_INIT, NULL};
    result.error =
        go_fail(strata_verification_failure(verification, index, &result.failure, &error), &error);
    return result;
}

#endif
