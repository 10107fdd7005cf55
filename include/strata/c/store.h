/* SPDX-License-Identifier: Apache-2.0 */
/* Stores as a whole, by name: which there are, what they hold, their statistics, their removal.
 * Read permission is enough for all but the last; nobody is disturbed. */
#ifndef STRATA_C_STORE_H
#define STRATA_C_STORE_H

#include "strata/c/base.h"
#include "strata/c/consumer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct strata_store_list strata_store_list;

/* Numbers of the newest generation are of one moment; the rest was read at about the same time. */
typedef struct strata_store_info {
    uint32_t struct_size;
    uint32_t format_version;
    uint32_t owner; /* user id */
    uint32_t mode;  /* permission bits of the directory */
    char id[40];    /* 32 hexadecimal digits, terminated: another store of the name differs */
    int64_t created_at_ns;
    int64_t published_at_ns;
    int64_t producer_pid; /* in its own pid namespace; 0: there is none */
    uint64_t readers;     /* pins, this call's own not among them */
    uint64_t generation;
    uint64_t oldest_retained;
    uint64_t dimensions;
    uint64_t layers;
    uint64_t memory_limit;
    uint64_t live_bytes;
    uint64_t committed_bytes;
    uint64_t region_max_bytes;
} strata_store_info;
#define STRATA_STORE_INFO_INIT \
    { (uint32_t)sizeof(strata_store_info), 0, 0, 0, {0}, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

/* What can be known of a store without its producer, whoever owns it. Errors as strata_attach. */
STRATA_API strata_status strata_inspect(const char* name, size_t name_size, const char* base_path,
                                        strata_store_info* info, strata_error* error);
/* The statistics (strata/statistics.hpp) as a JSON object in valid UTF-8, terminated; *json_size is
 * without the zero and may be NULL. Give back with strata_free. Errors as strata_attach. */
STRATA_API strata_status strata_statistics_json(const char* name, size_t name_size,
                                                const char* base_path, char** json,
                                                size_t* json_size, strata_error* error);
/* The same of an attached store; store_replaced if it is gone. */
STRATA_API strata_status strata_consumer_statistics_json(strata_consumer* consumer, char** json,
                                                         size_t* json_size, strata_error* error);

/* The names of all stores under `base_path`, sorted; none if there is no such directory. Errors:
 * permission_denied, system. Give back with strata_store_list_free. */
STRATA_API strata_status strata_list_stores(const char* base_path, strata_store_list** list,
                                            strata_error* error);
STRATA_API size_t strata_store_list_size(const strata_store_list* list);
/* Borrowed from the list; {NULL, 0} beyond the end. */
STRATA_API strata_string strata_store_list_name(const strata_store_list* list, size_t index);
STRATA_API void strata_store_list_free(strata_store_list* list);

/* Removes a store for good: its name disappears atomically. Attached consumers keep what they have
 * mapped. Errors: store_not_found, producer_active, permission_denied, system. */
STRATA_API strata_status strata_remove_store(const char* name, size_t name_size,
                                             const char* base_path, strata_error* error);

#ifdef __cplusplus
}
#endif
#endif
