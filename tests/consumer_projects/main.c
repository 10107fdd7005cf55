/* SPDX-License-Identifier: Apache-2.0 */
/* A user's first program in C: publishes a layer and reads it back. */
#include <stdio.h>
#include <string.h>

#include <strata/strata.h>

static strata_error error = STRATA_ERROR_INIT;

static int round_trip(const char* base) {
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    strata_attach_options attach = STRATA_ATTACH_OPTIONS_INIT;
    strata_producer* producer = NULL;
    strata_batch* batch = NULL;
    strata_consumer* consumer = NULL;
    strata_snapshot* snapshot = NULL;
    strata_layer layer = {NULL, 0, 0};
    options.base_path = base;
    attach.base_path = base;
    int same = 0;
    if (strata_produce("hello", 5, &options, &producer, &error) == STRATA_OK &&
        strata_batch_new(producer, &batch, &error) == STRATA_OK &&
        strata_put(batch, 1, 5, "joy", 3, NULL, &error) == STRATA_OK &&
        strata_crystallize(batch, NULL, &error) == STRATA_OK &&
        strata_attach("hello", 5, &attach, &consumer, &error) == STRATA_OK &&
        strata_snapshot_take(consumer, &snapshot, &error) == STRATA_OK &&
        strata_get(snapshot, 1, 5, &layer, &error) == STRATA_OK) {
        same = layer.size == 3 && memcmp(layer.data, "joy", 3) == 0;
    }
    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_batch_free(batch);
    strata_producer_close(producer);
    return same;
}

int main(int argc, char** argv) {
    if (argc == 2 && round_trip(argv[1])) return 0;
    fprintf(stderr, "%s\n", error.message);
    return 1;
}
