/* SPDX-License-Identifier: Apache-2.0 */
/* strata_consumer: a process's read-only end of a store. It writes to nothing that is shared. */
#ifndef STRATA_C_CONSUMER_H
#define STRATA_C_CONSUMER_H

#include "strata/c/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct strata_consumer strata_consumer;
typedef struct strata_snapshot strata_snapshot;
typedef struct strata_cancellation strata_cancellation;

/* Who may own a store for it to be attached. */
enum strata_trusted_owner {
    STRATA_TRUST_SELF_OR_ROOT = 0,
    STRATA_TRUST_ANYBODY = 1,
    STRATA_TRUST_USER = 2 /* `owner`, or root */
};

/* strata_attach_options.lookup_cache_bytes: no lists at all. */
#define STRATA_NO_LOOKUP_CACHE UINT64_MAX

typedef struct strata_attach_options {
    uint32_t struct_size;
    uint32_t trusted_owner; /* strata_trusted_owner */
    uint32_t owner;         /* user id */
    uint32_t no_idle_pin;   /* 1: no background thread; the last snapshot's end is a system call */
    uint64_t wait_for_store_ms;  /* how long to wait for the store to appear */
    uint64_t lookup_cache_bytes; /* 0: an eighth of the store, 64 MiB for all of the process */
    const char* base_path;
} strata_attach_options;
#define STRATA_ATTACH_OPTIONS_INIT \
    { (uint32_t)sizeof(strata_attach_options), 0, 0, 0, 0, 0, NULL }

/* How a wait ended. */
enum strata_wait_result {
    STRATA_WAIT_CHANGED = 0, /* there is a newer generation */
    STRATA_WAIT_TIMEOUT = 1,
    STRATA_WAIT_PRODUCER_GONE = 2,  /* nothing newer, and nobody to publish it */
    STRATA_WAIT_STORE_REPLACED = 3, /* removed, or another one under its name: strata_reattach */
    STRATA_WAIT_CANCELLED = 4
};

typedef struct strata_wait_options {
    uint32_t struct_size;
    uint32_t wait_for_producer; /* 1: its end does not end the wait */
    uint32_t has_timeout;       /* 0: for ever */
    uint32_t reserved;
    int64_t timeout_ns;                /* 0: only look */
    strata_cancellation* cancellation; /* NULL: none. Must stay until the wait returns */
} strata_wait_options;
#define STRATA_WAIT_OPTIONS_INIT \
    { (uint32_t)sizeof(strata_wait_options), 0, 0, 0, 0, NULL }

/* What a consumer takes of its process's memory. */
typedef struct strata_consumer_statistics {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t lookup_cache_bytes;
    uint64_t lookup_cache_limit;
    uint64_t cached_dimensions;
    uint64_t cached_lists;
    uint64_t mapped_regions;
} strata_consumer_statistics;
#define STRATA_CONSUMER_STATISTICS_INIT \
    { (uint32_t)sizeof(strata_consumer_statistics), 0, 0, 0, 0, 0, 0 }

/* Attaches to the store `name`; `options` may be NULL. Errors: store_not_found, not_a_store,
 * format_version, byte_order, permission_denied, not_trusted, corrupt, truncated, invalid_name,
 * system. Some 25 microseconds, whatever the size of the store. Give back with strata_detach. */
STRATA_API strata_status strata_attach(const char* name, size_t name_size,
                                       const strata_attach_options* options,
                                       strata_consumer** consumer, strata_error* error);
/* Snapshots stay valid. No other thread may be in a function of this consumer. */
STRATA_API void strata_detach(strata_consumer* consumer);
/* Attaches anew under the same name and options. If that fails, the old attachment stays. Snapshots
 * stay valid; the event descriptor is closed: ask for the new one. No other thread may be in a
 * function of this consumer. */
STRATA_API strata_status strata_reattach(strata_consumer* consumer, strata_error* error);

/* Newest published generation: one load. */
STRATA_API uint64_t strata_generation(const strata_consumer* consumer);
/* Newest generation that survives a power failure; 0: there is none. Two loads. durability_lost: a
 * flush failed, and nothing newer will become durable; `current` of the error is the one that is.
 */
STRATA_API strata_status strata_durable_generation(const strata_consumer* consumer,
                                                   uint64_t* generation, strata_error* error);
/* Oldest and newest generation that strata_snapshot_take_at can give now. */
STRATA_API strata_status strata_retained(const strata_consumer* consumer, uint64_t* oldest,
                                         uint64_t* newest, strata_error* error);

/* Sleeps in the kernel until a generation newer than `seen` is published, or what `options` (NULL:
 * for ever) say. See Consumer::wait in consumer.hpp. Errors: truncated, invalid_argument. */
STRATA_API strata_status strata_wait(strata_consumer* consumer, uint64_t seen,
                                     const strata_wait_options* options,
                                     enum strata_wait_result* result, strata_error* error);

/* Ends waits from another thread: one request ends all waits that it was given to, those to come
 * included. Give back with strata_cancellation_free when none is left. */
STRATA_API strata_status strata_cancellation_new(strata_cancellation** cancellation,
                                                 strata_error* error);
/* From any thread, but not in a signal's handler. */
STRATA_API void strata_cancellation_request(strata_cancellation* cancellation);
STRATA_API void strata_cancellation_free(strata_cancellation* cancellation);

/* A descriptor for poll and event loops: readable while there is a generation newer than the last
 * acknowledged one (at first: than that of the attachment), and once more when the producer goes or
 * comes back and when the store is replaced. The first call starts a thread. Owned by the consumer:
 * do not close it. A forked child has one of its own under the same number, silent until it calls
 * this. */
STRATA_API strata_status strata_event_descriptor(strata_consumer* consumer, int* descriptor,
                                                 strata_error* error);
/* Resets the descriptor and gives the newest generation. Call it before looking at the data. */
STRATA_API strata_status strata_acknowledge_event(strata_consumer* consumer, uint64_t* generation,
                                                  strata_error* error);

/* *pid: the producer's, in its own pid namespace; 0: there is none. About a microsecond. */
STRATA_API strata_status strata_producer_pid(const strata_consumer* consumer, int64_t* pid,
                                             strata_error* error);
/* *replaced: 1 if the attached files were removed, or another store has the name now; else 0. */
STRATA_API strata_status strata_store_replaced(const strata_consumer* consumer, int* replaced,
                                               strata_error* error);
STRATA_API strata_status strata_consumer_describe(const strata_consumer* consumer,
                                                  strata_consumer_statistics* statistics,
                                                  strata_error* error);

#ifdef __cplusplus
}
#endif
#endif
