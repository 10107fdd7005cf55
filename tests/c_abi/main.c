/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the tests of the C ABI that are written in plain C. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <unistd.h>

#include "check.h"

static unsigned failures;
static char base[] = "/dev/shm/strata-test.XXXXXX";

void check_failed(const char* file, int line, const char* what) {
    fprintf(stderr, "%s:%d: failed: %s\n", file, line, what);
    ++failures;
}

void check_status(const char* file, int line, const char* call, strata_status status,
                  strata_status expected, const strata_error* error) {
    if (status == expected) return;
    fprintf(stderr, "%s:%d: %s: %s instead of %s: %s\n", file, line, call,
            strata_status_name(status), strata_status_name(expected),
            status == STRATA_OK ? "" : error->message);
    ++failures;
    if (expected == STRATA_OK) {
        exit(EXIT_FAILURE); /* what follows would use what was not made */
    }
}

const char* base_path(void) { return base; }

strata_producer* produce(const char* name) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    strata_producer* producer = NULL;
    options.base_path = base;
    options.memory_limit = 64 << 20;
    options.region_max_bytes = 64 << 20;
    CHECK_OK(strata_produce(name, strlen(name), &options, &producer, &error));
    return producer;
}

strata_consumer* attach(const char* name) {
    strata_error error = STRATA_ERROR_INIT;
    strata_attach_options options = STRATA_ATTACH_OPTIONS_INIT;
    strata_consumer* consumer = NULL;
    options.base_path = base;
    CHECK_OK(strata_attach(name, strlen(name), &options, &consumer, &error));
    return consumer;
}

strata_snapshot* snapshot_of(strata_consumer* consumer) {
    strata_error error = STRATA_ERROR_INIT;
    strata_snapshot* snapshot = NULL;
    CHECK_OK(strata_snapshot_take(consumer, &snapshot, &error));
    return snapshot;
}

uint64_t publish(strata_producer* producer, uint32_t dimension, uint64_t layer, const char* text) {
    strata_error error = STRATA_ERROR_INIT;
    strata_batch* batch = NULL;
    uint64_t generation = 0;
    CHECK_OK(strata_batch_new(producer, &batch, &error));
    CHECK_OK(strata_put(batch, dimension, layer, text, strlen(text), NULL, &error));
    CHECK_OK(strata_crystallize(batch, &generation, &error));
    strata_batch_free(batch);
    return generation;
}

bool layer_is(const strata_layer* layer, const char* text) {
    return layer->data != NULL && layer->size == strlen(text) &&
           memcmp(layer->data, text, strlen(text)) == 0;
}

bool string_is(strata_string string, const char* text) {
    return string.size == strlen(text) && memcmp(string.data, text, string.size) == 0;
}

int main(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_store_list* left = NULL;
    if (mkdtemp(base) == NULL) {
        perror(base);
        return EXIT_FAILURE;
    }
    test_consumer();
    test_waiting();
    test_snapshot();
    test_producer();
    test_durability();
    test_bookmarks();
    test_errors();
    test_history();
    test_struct_sizes();
    test_types();

    /* Every test removes its stores; their base goes only when nothing is left in it. */
    CHECK_OK(strata_list_stores(base, &left, &error));
    CHECK(strata_store_list_size(left) == 0);
    strata_store_list_free(left);
    if (rmdir(base) != 0) perror(base), ++failures;
    printf("%u failures\n", failures);
    return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
