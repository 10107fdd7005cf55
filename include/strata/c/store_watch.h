/* SPDX-License-Identifier: Apache-2.0 */
/* strata_store_watch: a descriptor that tells an event loop when a store may have appeared. Once
 * attached, strata_event_descriptor tells of all that follows. */
#ifndef STRATA_C_STORE_WATCH_H
#define STRATA_C_STORE_WATCH_H

#include "strata/c/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct strata_store_watch strata_store_watch;

/* Watches for the store `name`; nothing is written, no thread is started. A loop that asks
 * strata_store_watch_present and polls the descriptor while it says 0 misses nothing, whenever the
 * store appears. One thread at a time; a forked child opens a watch of its own. Errors:
 * invalid_name; system (the kernel has no watch left: the hint names the limit); permission_denied.
 * Give back with strata_store_watch_close. */
STRATA_API strata_status strata_store_watch_open(const char* name, size_t name_size,
                                                 const char* base_path, strata_store_watch** watch,
                                                 strata_error* error);
/* Readable when it is worth asking again; now and then when it is not. The same for as long as the
 * watch lives, and its own: do not close it. */
STRATA_API strata_status strata_store_watch_descriptor(const strata_store_watch* watch,
                                                       int* descriptor, strata_error* error);
/* *present: 1 if there is something of that name now, else 0; resets the descriptor. What it is,
 * strata_attach says. Errors: permission_denied, system. */
STRATA_API strata_status strata_store_watch_present(strata_store_watch* watch, int* present,
                                                    strata_error* error);
STRATA_API void strata_store_watch_close(strata_store_watch* watch);

#ifdef __cplusplus
}
#endif
#endif
