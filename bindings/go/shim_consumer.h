/* SPDX-License-Identifier: Apache-2.0 */
/* Attaching, waiting, stores as a whole; see shim.h. */
#ifndef STRATA_GO_SHIM_CONSUMER_H
#define STRATA_GO_SHIM_CONSUMER_H

#include "shim.h"

static inline go_handle go_attach(_GoString_ name, const char* base,
                                  strata_attach_options options) {
    GO_ERROR(error);
    strata_consumer* consumer = NULL;
    options.struct_size = (uint32_t)sizeof options;
    options.base_path = base;
    const strata_status status =
        strata_attach(_GoStringPtr(name), _GoStringLen(name), &options, &consumer, &error);
    return (go_handle){consumer, go_fail(status, &error)};
}

static inline go_handle go_cancellation_new(void) {
    GO_ERROR(error);
    strata_cancellation* cancellation = NULL;
    const strata_status status = strata_cancellation_new(&cancellation, &error);
    return (go_handle){cancellation, go_fail(status, &error)};
}

static inline go_number go_wait(strata_consumer* consumer, uint64_t seen, uint32_t for_producer,
                                strata_cancellation* cancellation) {
    GO_ERROR(error);
    strata_wait_options options = STRATA_WAIT_OPTIONS_INIT;
    enum strata_wait_result result = STRATA_WAIT_TIMEOUT;
    options.wait_for_producer = for_producer;
    options.cancellation = cancellation;
    const strata_status status = strata_wait(consumer, seen, &options, &result, &error);
    return (go_number){(uint64_t)result, go_fail(status, &error)};
}

typedef struct {
    uint64_t oldest;
    uint64_t newest;
    strata_error* error;
} go_span;
static inline go_number go_durable_generation(strata_consumer* consumer) {
    GO_ERROR(error);
    uint64_t generation = 0;
    const strata_status status = strata_durable_generation(consumer, &generation, &error);
    return (go_number){generation, go_fail(status, &error)};
}

static inline go_span go_retained(strata_consumer* consumer) {
    GO_ERROR(error);
    go_span span = {0, 0, NULL};
    const strata_status status = strata_retained(consumer, &span.oldest, &span.newest, &error);
    span.error = go_fail(status, &error);
    return span;
}

static inline go_number go_producer_pid(strata_consumer* consumer) {
    GO_ERROR(error);
    int64_t pid = 0;
    const strata_status status = strata_producer_pid(consumer, &pid, &error);
    return (go_number){(uint64_t)pid, go_fail(status, &error)};
}

static inline go_number go_store_replaced(strata_consumer* consumer) {
    GO_ERROR(error);
    int replaced = 0;
    const strata_status status = strata_store_replaced(consumer, &replaced, &error);
    return (go_number){(uint64_t)replaced, go_fail(status, &error)};
}

typedef struct {
    strata_consumer_statistics statistics;
    strata_error* error;
} go_consumer_statistics;
static inline go_consumer_statistics go_consumer_describe(strata_consumer* consumer) {
    GO_ERROR(error);
    go_consumer_statistics result = {STRATA_CONSUMER_STATISTICS_INIT, NULL};
    result.error = go_fail(strata_consumer_describe(consumer, &result.statistics, &error), &error);
    return result;
}

typedef struct {
    strata_store_info info;
    strata_error* error;
} go_store_info;
static inline go_store_info go_inspect(_GoString_ name, const char* base) {
    GO_ERROR(error);
    go_store_info result = {STRATA_STORE_INFO_INIT, NULL};
    result.error = go_fail(
        strata_inspect(_GoStringPtr(name), _GoStringLen(name), base, &result.info, &error), &error);
    return result;
}

/* A text in memory of C's: strata_free. */
typedef struct {
    char* text;
    size_t size;
    strata_error* error;
} go_text;
static inline go_text go_statistics(_GoString_ name, const char* base) {
    GO_ERROR(error);
    go_text result = {NULL, 0, NULL};
    result.error = go_fail(strata_statistics_json(_GoStringPtr(name), _GoStringLen(name), base,
                                                  &result.text, &result.size, &error),
                           &error);
    return result;
}
static inline go_text go_consumer_statistics_json(strata_consumer* consumer) {
    GO_ERROR(error);
    go_text result = {NULL, 0, NULL};
    result.error = go_fail(
        strata_consumer_statistics_json(consumer, &result.text, &result.size, &error), &error);
    return result;
}
static inline go_text go_producer_statistics_json(strata_producer* producer) {
    GO_ERROR(error);
    go_text result = {NULL, 0, NULL};
    result.error = go_fail(
        strata_producer_statistics_json(producer, &result.text, &result.size, &error), &error);
    return result;
}

static inline go_handle go_stores(const char* base) {
    GO_ERROR(error);
    strata_store_list* list = NULL;
    const strata_status status = strata_list_stores(base, &list, &error);
    return (go_handle){list, go_fail(status, &error)};
}

static inline strata_error* go_remove_store(_GoString_ name, const char* base) {
    GO_ERROR(error);
    return go_fail(strata_remove_store(_GoStringPtr(name), _GoStringLen(name), base, &error),
                   &error);
}

#endif
