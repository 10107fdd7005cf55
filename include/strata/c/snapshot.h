/* SPDX-License-Identifier: Apache-2.0 */
/* strata_snapshot: one generation of the whole store, unchanged for as long as anybody holds a
 * reference to it. */
#ifndef STRATA_C_SNAPSHOT_H
#define STRATA_C_SNAPSHOT_H

#include "strata/c/base.h"
#include "strata/c/consumer.h"
#include "strata/c/layer.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct strata_snapshot_info {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t generation;
    int64_t published_at_ns; /* since 1970, the producer's clock */
    uint64_t layers;
    uint64_t dimensions;
} strata_snapshot_info;
#define STRATA_SNAPSHOT_INFO_INIT \
    { (uint32_t)sizeof(strata_snapshot_info), 0, 0, 0, 0, 0 }

/* The newest generation, with one reference. Errors: corrupt, truncated, system. An allocation and,
 * while nothing was published, no system call. It may outlive its consumer. */
STRATA_API strata_status strata_snapshot_take(strata_consumer* consumer, strata_snapshot** snapshot,
                                              strata_error* error);
/* An earlier one that the producer retains; generation_not_retained if it does not. */
STRATA_API strata_status strata_snapshot_take_at(strata_consumer* consumer, uint64_t generation,
                                                 strata_snapshot** snapshot, strata_error* error);
/* What was current at a time, in ns since 1970 by the producer's wall clock: the newest generation
 * that is retained and was published then or earlier; generation_not_retained if there is none.
 * O(generations since). */
STRATA_API strata_status strata_snapshot_take_at_time(strata_consumer* consumer, int64_t time_ns,
                                                      strata_snapshot** snapshot,
                                                      strata_error* error);
/* One more reference, for everybody who keeps something borrowed. Returns `snapshot`. */
STRATA_API strata_snapshot* strata_snapshot_ref(strata_snapshot* snapshot);
/* One reference less; the last one releases the snapshot. From any thread. */
STRATA_API void strata_snapshot_release(strata_snapshot* snapshot);

STRATA_API uint64_t strata_snapshot_generation(const strata_snapshot* snapshot);
STRATA_API strata_status strata_snapshot_describe(const strata_snapshot* snapshot,
                                                  strata_snapshot_info* info, strata_error* error);

/* The layer; STRATA_OK and layer->data == NULL if the generation has none, and only then. What
 * keeps it from being read is an error: corrupt, truncated, permission_denied, not_trusted, system,
 * out_of_memory. */
STRATA_API strata_status strata_find(const strata_snapshot* snapshot, uint32_t dimension,
                                     uint64_t layer, strata_layer* found, strata_error* error);
/* The layer that was put under this name. As above. */
STRATA_API strata_status strata_find_name(const strata_snapshot* snapshot, uint32_t dimension,
                                          const char* name, size_t name_size, strata_layer* found,
                                          strata_error* error);
/* As strata_find, but dimension_not_found or layer_not_found where there is none. */
STRATA_API strata_status strata_get(const strata_snapshot* snapshot, uint32_t dimension,
                                    uint64_t layer, strata_layer* found, strata_error* error);
STRATA_API strata_status strata_get_name(const strata_snapshot* snapshot, uint32_t dimension,
                                         const char* name, size_t name_size, strata_layer* found,
                                         strata_error* error);

/* found[i] = strata_find(ids[i]), of dimensions in any mixture, the latency of memory overlapped.
 * On an error `found` is unspecified. */
STRATA_API strata_status strata_find_many(const strata_snapshot* snapshot, const strata_id* ids,
                                          size_t count, strata_layer* found, strata_error* error);
/* The same for layers of one dimension: found[i] = strata_find(dimension, layers[i]). */
STRATA_API strata_status strata_find_in(const strata_snapshot* snapshot, uint32_t dimension,
                                        const uint64_t* layers, size_t count, strata_layer* found,
                                        strata_error* error);

/* What strata_gather says of each layer. */
enum strata_gathered {
    STRATA_GATHERED_NONE = 0,  /* there is none: the row is zeroed */
    STRATA_GATHERED = 1,       /* copied */
    STRATA_GATHERED_OTHER = 2, /* of another size than a row: the row is zeroed */
};

/* Copies the payloads of `count` layers of one dimension, each of row_bytes, to rows, one behind
 * the other: rows has count * row_bytes bytes. state[i] (NULL: not wanted) is a strata_gathered,
 * *copied (NULL: not wanted) how many were copied. Guarded as strata_layer_copy. On an error the
 * results are unspecified. */
STRATA_API strata_status strata_gather(const strata_snapshot* snapshot, uint32_t dimension,
                                       const uint64_t* layers, size_t count, void* rows,
                                       size_t row_bytes, uint8_t* state, size_t* copied,
                                       strata_error* error);

#ifdef __cplusplus
}
#endif
#endif
