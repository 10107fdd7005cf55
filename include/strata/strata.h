/* SPDX-License-Identifier: Apache-2.0 */
/* The C ABI of strata: what libstrata.so exports, for C and for every language that can call C. It
 * is complete for consumers and covers what most producers do; <strata/strata.hpp> is C++'s.
 *
 * Rules, which hold for every function:
 *
 *  - Nothing throws, jumps or calls back out of a function, whatever happens inside it.
 *  - Who can fail returns a strata_status: 0 (STRATA_OK) or what went wrong. Results are written to
 *    the pointers at the end only on success, unless it says otherwise. `error` may be NULL; see
 *    strata_error. There is no thread-local "last error": callers may be goroutines or fibres.
 *  - Handles (strata_consumer and so on) are opaque. The function that gives one says which other
 *    one takes it back; NULL is fine there, and it cannot fail. In all other places NULL for a
 *    handle or a result is STRATA_INVALID_ARGUMENT, never a crash; what cannot report that (the few
 *    functions that return a number) returns 0.
 *  - Structs whose first member is `struct_size` may grow at their end in later versions. Set it to
 *    sizeof the struct, and all else that is not used to 0, which always means "the default": the
 *    macros NAME_INIT do both. A library that knows less than its caller refuses options that it
 *    does not know unless they are 0, and leaves 0 in results; one that knows more takes 0 for
 *    options that it was not given, and writes no byte beyond struct_size. All other structs, and
 *    the values of enums, never change.
 *  - Strings that are passed in are (pointer, size), need no terminating zero, and are copied.
 *    Paths are terminated; NULL is the environment's STRATA_BASE_PATH, else /dev/shm/strata.
 *  - Borrowed memory: payloads, names and keywords lie in the mapping. They are valid while any
 *    reference to a snapshot that has them is held, and must not be written to.
 *  - Thread safety: functions on a consumer or a snapshot may be called from any thread at once,
 *    but not while another thread takes back that very handle. A producer the same. Other handles
 *    (batch, cursor, list) are for one thread at a time. A forked child may use the consumers and
 *    snapshots that it inherits, not the producers (STRATA_WRONG_PROCESS).
 *
 * Costs are those of the C++ functions of the same names, plus a call through the procedure linkage
 * table: docs/c-api.md. */
#ifndef STRATA_STRATA_H
#define STRATA_STRATA_H

#include "strata/c/base.h"
#include "strata/c/batch.h"
#include "strata/c/bookmarks.h"
#include "strata/c/changes.h"
#include "strata/c/consumer.h"
#include "strata/c/dimensions.h"
#include "strata/c/layer.h"
#include "strata/c/producer.h"
#include "strata/c/snapshot.h"
#include "strata/c/store.h"
#include "strata/c/store_watch.h"
#include "strata/c/type_tag.h"
#include "strata/c/verify.h"

#endif
