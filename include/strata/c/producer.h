/* SPDX-License-Identifier: Apache-2.0 */
/* strata_producer: the one writer of a store. Its changes are made with batches (batch.h). */
#ifndef STRATA_C_PRODUCER_H
#define STRATA_C_PRODUCER_H

#include "strata/c/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct strata_producer strata_producer;

enum strata_open_mode {
    STRATA_OPEN_OR_CREATE = 0,
    STRATA_CREATE = 1,  /* store_exists if there is one */
    STRATA_OPEN = 2,    /* store_not_found if there is none */
    STRATA_REPLACE = 3, /* creates; one whose producer is gone is replaced */
};

/* When there is no room while readers hold memory back: strata/slow_reader.hpp. */
enum strata_slow_readers {
    STRATA_SLOW_READERS_FAIL = 0,
    STRATA_SLOW_READERS_WAIT = 1,
    STRATA_SLOW_READERS_RELOCATE = 2
};

/* When what is published survives the machine: strata/producer.hpp and docs/durability.md. */
enum strata_durability {
    STRATA_DURABILITY_AUTOMATIC = 0, /* off where files are in memory alone, else background */
    STRATA_DURABILITY_OFF = 1,       /* only strata_checkpoint and strata_wait_durable */
    STRATA_DURABILITY_BACKGROUND = 2,
    STRATA_DURABILITY_EACH_COMMIT = 3 /* strata_crystallize returns when it is durable */
};

/* 0 is everywhere the default, which strata/producer.hpp names. */
typedef struct strata_producer_options {
    uint32_t struct_size;
    uint32_t open_mode;    /* strata_open_mode */
    uint64_t memory_limit; /* bytes, of the store in all; 0: 280 MiB */
    uint64_t region_max_bytes;
    uint64_t region_initial_bytes;
    uint32_t own_regions;     /* 1: a file for each dimension */
    uint32_t retain;          /* earlier generations that stay readable, however old */
    double warning_threshold; /* share of the limit that statistics report; 0: 0.75 */
    uint32_t access_mode;     /* 0644 (also 0), 0640 or 0600 */
    uint32_t has_access_group;
    uint32_t access_group;
    uint32_t slow_readers;         /* strata_slow_readers */
    uint64_t slow_readers_wait_ms; /* for ..._WAIT; 0: a second */
    const char* base_path;
    uint64_t retain_for_ns; /* those of the last so long stay readable, too, however many */
    uint64_t retain_bytes;  /* what both keep, at most; 0: memory_limit alone bounds it */
    uint32_t durability;    /* strata_durability */
    uint32_t durability_interval_ms; /* for ..._BACKGROUND, after a commit; 0: a second */
    uint64_t durability_generations; /* and after so many; 0: that does not matter */
} strata_producer_options;
#define STRATA_PRODUCER_OPTIONS_INIT                                                               \
    {                                                                                              \
        (uint32_t)sizeof(strata_producer_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, \
            0, 0, 0                                                                                \
    }

/* A dimension that is given a size, an access or own_region has a file of its own. */
typedef struct strata_dimension_options {
    uint32_t struct_size;
    uint32_t own_region;
    uint64_t initial_bytes;
    uint64_t max_bytes;
    uint32_t access_mode; /* 0: the producer's */
    uint32_t has_access_group;
    uint32_t access_group;
    uint32_t reserved;
} strata_dimension_options;
#define STRATA_DIMENSION_OPTIONS_INIT \
    { (uint32_t)sizeof(strata_dimension_options), 0, 0, 0, 0, 0, 0, 0 }

/* Counters since the store was opened, and its state; bytes where it says so. */
typedef struct strata_producer_statistics {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t generation;
    uint64_t memory_limit;
    uint64_t committed_bytes;
    uint64_t live_bytes;
    uint64_t limbo_bytes;
    uint64_t layers;
    uint64_t dimensions;
    uint64_t commits;
    uint64_t allocation_failures;
} strata_producer_statistics;
#define STRATA_PRODUCER_STATISTICS_INIT \
    { (uint32_t)sizeof(strata_producer_statistics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* Opens or creates the store `name`; `options` may be NULL. There is one producer per store.
 * Errors: producer_active, store_exists, store_not_found, invalid_name, invalid_argument,
 * limit_exceeded, no_space, permission_denied, corrupt, system. Give back with
 * strata_producer_close. */
STRATA_API strata_status strata_produce(const char* name, size_t name_size,
                                        const strata_producer_options* options,
                                        strata_producer** producer, strata_error* error);
/* Lets others produce; the store stays. Its batches must have been given back before. */
STRATA_API void strata_producer_close(strata_producer* producer);

/* The last published generation. */
STRATA_API uint64_t strata_producer_generation(const strata_producer* producer);
/* The last durable generation: one that survives a power failure. 0: there is none. One load. */
STRATA_API uint64_t strata_producer_durable_generation(const strata_producer* producer);
/* Makes the newest generation durable: *generation (may be NULL). A few flushes' time; commits go
 * on meanwhile. Nothing new: no system call. Errors: durability_lost (a flush failed, now or
 * before: it is never tried again), no_space, wrong_process, system. */
STRATA_API strata_status strata_checkpoint(strata_producer* producer, uint64_t* generation,
                                           strata_error* error);
/* Returns when `generation` is durable; all who wait at the same time share one flush. Errors as of
 * strata_checkpoint, and invalid_argument: it was not published. */
STRATA_API strata_status strata_wait_durable(strata_producer* producer, uint64_t generation,
                                             strata_error* error);
STRATA_API strata_status strata_producer_describe(const strata_producer* producer,
                                                  strata_producer_statistics* statistics,
                                                  strata_error* error);
/* As strata_statistics_json, all tables brought up to date. */
STRATA_API strata_status strata_producer_statistics_json(const strata_producer* producer,
                                                         char** json, size_t* json_size,
                                                         strata_error* error);
/* limit_exceeded if more is in use; the limit is unchanged then. */
STRATA_API strata_status strata_set_memory_limit(strata_producer* producer, uint64_t bytes,
                                                 strata_error* error);
/* Frees what no reader needs, then gives free memory back to the system: *bytes (may be NULL). */
STRATA_API strata_status strata_trim(strata_producer* producer, uint64_t* bytes,
                                     strata_error* error);
/* Publishes a dimension if it is not there yet; `name` may be NULL (the default name), `options` as
 * well. *generation may be NULL. dimension_exists if it is there with other sizes. */
STRATA_API strata_status strata_add_dimension(strata_producer* producer, uint32_t dimension,
                                              const char* name, size_t name_size,
                                              const strata_dimension_options* options,
                                              uint64_t* generation, strata_error* error);
/* Moves a dimension to a region file of its own if `options` ask for one, else (NULL as well) to
 * the shared ones, as one generation: *generation may be NULL. Nothing to do: the generation stays.
 * No layer changes, strata_changes_between reports nothing. Copies every layer; other commits wait.
 * See Producer::move_dimension in producer.hpp. Errors, after which the dimension is where it was:
 * dimension_not_found, invalid_argument, limit_exceeded, no_space, permission_denied, system. */
STRATA_API strata_status strata_move_dimension(strata_producer* producer, uint32_t dimension,
                                               const strata_dimension_options* options,
                                               uint64_t* generation, strata_error* error);
/* Publishes the core dimensions 1 to 14, as far as they are not there yet. */
STRATA_API strata_status strata_add_core_dimensions(strata_producer* producer, uint64_t* generation,
                                                    strata_error* error);

#ifdef __cplusplus
}
#endif
#endif
