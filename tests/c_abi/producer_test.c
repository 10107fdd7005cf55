/* SPDX-License-Identifier: Apache-2.0 */
/* Producing: stores and their options, batches, loans, what a failed commit leaves. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

static void modes_of_opening(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    strata_producer* producer = NULL;
    strata_producer* second = NULL;
    options.base_path = base_path();
    options.open_mode = STRATA_OPEN;
    CHECK_FAILS(STRATA_STORE_NOT_FOUND, strata_produce("modes", 5, &options, &producer, &error));
    CHECK(producer == NULL);
    options.open_mode = STRATA_CREATE;
    CHECK_OK(strata_produce("modes", 5, &options, &producer, &error));
    options.open_mode = STRATA_OPEN;
    CHECK_FAILS(STRATA_PRODUCER_ACTIVE, strata_produce("modes", 5, &options, &second, &error));
    publish(producer, 1, 1, "one");
    strata_producer_close(producer);
    CHECK_OK(strata_produce("modes", 5, &options, &producer, &error));
    CHECK(publish(producer, 1, 1, "two") == 3); /* generation 1 is the empty store */
    strata_producer_close(producer);
    options.open_mode = STRATA_CREATE;
    CHECK_FAILS(STRATA_STORE_EXISTS, strata_produce("modes", 5, &options, &producer, &error));
    options.open_mode = STRATA_REPLACE;
    CHECK_OK(strata_produce("modes", 5, &options, &producer, &error));
    CHECK(strata_producer_generation(producer) == 1);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("modes", 5, base_path(), &error));
}

static void a_batch_is_published_whole(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("batch");
    strata_batch* batch = NULL;
    strata_layer_options options = STRATA_LAYER_OPTIONS_INIT;
    strata_layer layer;
    void* room = NULL;
    uint64_t generation = 0;
    uint64_t number = 0;
    CHECK_OK(strata_batch_new(producer, &batch, &error));
    options.alignment = 4096;
    CHECK_OK(strata_loan(batch, 1, 1, 5, &options, &room, &error));
    memcpy(room, "built", 5);
    CHECK_OK(strata_put_name(batch, 1, "named", 5, "text", 4, NULL, &number, &error));
    CHECK(number == strata_layer_number("named", 5));
    CHECK_OK(strata_loan_name(batch, 1, "room", 4, 5, &options, &room, &number, &error));
    CHECK(number == strata_layer_number("room", 4));
    memcpy(room, "named", 5);
    CHECK_OK(strata_loan_name(batch, 1, "gone", 4, 4, NULL, &room, NULL, &error));
    CHECK_OK(strata_erase_name(batch, 1, "gone", 4, &error));
    CHECK_OK(strata_put(batch, 1, 2, "goes", 4, NULL, &error));
    CHECK_OK(strata_erase(batch, 1, 2, &error));
    CHECK_OK(strata_put(batch, 5, 5, "goes too", 8, NULL, &error));
    CHECK_OK(strata_remove_dimension(batch, 5, &error));
    CHECK(strata_batch_size(batch) > 0);
    CHECK_OK(strata_crystallize(batch, &generation, &error));
    CHECK(strata_batch_size(batch) == 0);
    CHECK(generation == strata_producer_generation(producer));

    strata_consumer* consumer = attach("batch");
    strata_snapshot* snapshot = snapshot_of(consumer);
    CHECK_OK(strata_get(snapshot, 1, 1, &layer, &error));
    CHECK(layer_is(&layer, "built") && (uintptr_t)layer.data % 4096 == 0);
    CHECK_OK(strata_get_name(snapshot, 1, "named", 5, &layer, &error));
    CHECK_OK(strata_get_name(snapshot, 1, "room", 4, &layer, &error));
    CHECK(layer_is(&layer, "named") && (uintptr_t)layer.data % 4096 == 0);
    CHECK_FAILS(STRATA_LAYER_NOT_FOUND, strata_get_name(snapshot, 1, "gone", 4, &layer, &error));
    CHECK_FAILS(STRATA_LAYER_NOT_FOUND, strata_get(snapshot, 1, 2, &layer, &error));
    CHECK_FAILS(STRATA_DIMENSION_NOT_FOUND, strata_get(snapshot, 5, 5, &layer, &error));

    CHECK_OK(strata_put(batch, 1, 3, "dropped", 7, NULL, &error));
    strata_batch_clear(batch);
    CHECK(strata_batch_size(batch) == 0);
    CHECK_OK(strata_crystallize(batch, &generation, &error)); /* of nothing: no generation */
    CHECK(generation == strata_snapshot_generation(snapshot));
    CHECK_OK(strata_put(batch, 1, 3, "given back", 10, NULL, &error));
    strata_batch_free(batch);
    CHECK(strata_generation(consumer) == generation);

    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("batch", 5, base_path(), &error));
}

static void a_dimension_is_cleared(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("clear");
    strata_consumer* consumer = attach("clear");
    strata_batch* batch = NULL;
    strata_layer layer;
    uint64_t layers = 0;
    uint32_t dimension = 0;
    CHECK_OK(strata_add_dimension(producer, 7, "Kept", 4, NULL, NULL, &error));
    publish(producer, 7, 1, "old");
    publish(producer, 7, 2, "older");
    CHECK_OK(strata_batch_new(producer, &batch, &error));
    CHECK_OK(strata_put(batch, 7, 3, "before", 6, NULL, &error));
    CHECK_OK(strata_clear_dimension(batch, 7, &error));
    CHECK_OK(strata_put(batch, 7, 2, "after", 5, NULL, &error));
    CHECK_OK(strata_clear_dimension(batch, 8, &error)); /* there is none */
    CHECK(strata_batch_size(batch) > 0);
    CHECK_OK(strata_crystallize(batch, NULL, &error));
    strata_snapshot* snapshot = snapshot_of(consumer);
    CHECK_OK(strata_dimension_layers(snapshot, 7, &layers, &error));
    CHECK(layers == 2); /* what the batch put, before and after */
    CHECK_OK(strata_get(snapshot, 7, 3, &layer, &error));
    CHECK(layer_is(&layer, "before"));
    CHECK_OK(strata_get(snapshot, 7, 2, &layer, &error));
    CHECK(layer_is(&layer, "after"));
    CHECK_FAILS(STRATA_LAYER_NOT_FOUND, strata_get(snapshot, 7, 1, &layer, &error));
    CHECK_OK(strata_dimension_number(snapshot, "Kept", 4, &dimension, &error));
    CHECK(dimension == 7);
    CHECK_FAILS(STRATA_DIMENSION_NOT_FOUND, strata_get(snapshot, 8, 1, &layer, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_clear_dimension(NULL, 7, &error));
    strata_snapshot_release(snapshot);
    strata_batch_free(batch);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("clear", 5, base_path(), &error));
}

static void limits_are_kept_and_told(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("limit");
    strata_producer_statistics stats = STRATA_PRODUCER_STATISTICS_INIT;
    strata_batch* batch = NULL;
    uint64_t trimmed = 0;
    char* large = calloc(1, 1 << 20);
    CHECK_OK(strata_set_memory_limit(producer, 512 << 10, &error));
    CHECK_OK(strata_batch_new(producer, &batch, &error));
    CHECK_OK(strata_put(batch, 1, 1, "small", 5, NULL, &error));
    CHECK_FAILS(STRATA_LIMIT_EXCEEDED, strata_put(batch, 1, 2, large, 1 << 20, NULL, &error));
    CHECK(error.code == STRATA_LIMIT_EXCEEDED && error.limit == 512 << 10);
    CHECK(error.needed > 0 && error.hint[0] != '\0' && error.operation[0] != '\0');
    CHECK(strata_batch_size(batch) == 1); /* as it was */
    CHECK_OK(strata_set_memory_limit(producer, 64 << 20, &error));
    CHECK_OK(strata_put(batch, 1, 2, large, 1 << 20, NULL, &error));
    CHECK_OK(strata_crystallize(batch, NULL, &error));
    CHECK_FAILS(STRATA_LIMIT_EXCEEDED, strata_set_memory_limit(producer, 512 << 10, &error));
    CHECK_OK(strata_erase(batch, 1, 2, &error));
    CHECK_OK(strata_crystallize(batch, NULL, &error));
    CHECK_OK(strata_trim(producer, &trimmed, &error));
    CHECK(trimmed >= (1 << 20) - (32 << 10)); /* the rest is kept for erasing */
    CHECK_OK(strata_producer_describe(producer, &stats, &error));
    CHECK(stats.layers == 1 && stats.dimensions == 1 && stats.memory_limit == 64 << 20);
    CHECK(stats.allocation_failures >= 1 && stats.committed_bytes < 1 << 20);
    strata_batch_free(batch);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("limit", 5, base_path(), &error));
    free(large);
}

static unsigned mode_of(const char* file) {
    char path[4096];
    struct stat status;
    (void)snprintf(path, sizeof(path), "%s/%s", base_path(), file);
    return stat(path, &status) == 0 ? (unsigned)status.st_mode & 07777U : 0;
}

static void files_are_opened_to_whom_one_says(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    strata_producer* producer = NULL;
    options.base_path = base_path();
    CHECK_OK(strata_produce("everybody", 9, &options, &producer, &error));
    CHECK(mode_of("everybody/control.mmap") == 0644);
    strata_producer_close(producer);
    options.access_mode = 0640;
    options.has_access_group = 1;
    options.access_group = (uint32_t)getegid();
    CHECK_OK(strata_produce("group", 5, &options, &producer, &error));
    CHECK(mode_of("group/control.mmap") == 0640);
    strata_producer_close(producer);
    options.access_mode = 0666;
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_produce("odd", 3, &options, &producer, &error));
    CHECK_OK(strata_remove_store("everybody", 9, base_path(), &error));
    CHECK_OK(strata_remove_store("group", 5, base_path(), &error));
}

static void dimensions_are_added(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("dims");
    strata_dimension_options options = STRATA_DIMENSION_OPTIONS_INIT;
    uint64_t first = 0;
    uint64_t second = 0;
    uint32_t number = 0;
    options.max_bytes = 1 << 20;
    CHECK_OK(strata_add_dimension(producer, 42, "Answers", 7, &options, &first, &error));
    CHECK_OK(strata_add_dimension(producer, 42, "Answers", 7, &options, &second, &error));
    CHECK(first == second);
    options.max_bytes = 2 << 20;
    CHECK_FAILS(STRATA_DIMENSION_EXISTS,
                strata_add_dimension(producer, 42, "Answers", 7, &options, NULL, &error));
    CHECK_OK(strata_add_dimension(producer, 43, NULL, 0, NULL, NULL, &error));
    CHECK_OK(strata_add_core_dimensions(producer, NULL, &error));
    strata_consumer* consumer = attach("dims");
    strata_snapshot* snapshot = snapshot_of(consumer);
    CHECK_OK(strata_dimension_number(snapshot, "Answers", 7, &number, &error));
    CHECK(number == 42);
    CHECK_OK(strata_dimension_number(snapshot, "Security", 8, &number, &error));
    CHECK(number == 14);
    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("dims", 4, base_path(), &error));
}

static void dimensions_by_name(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("named");
    strata_batch* batch = NULL;
    uint32_t made = 0;
    uint32_t again = 0;
    CHECK_OK(strata_batch_new(producer, &batch, &error));
    CHECK_OK(strata_batch_dimension(batch, "Quotes", 6, &made, &error));
    CHECK_OK(strata_put(batch, made, 1, "quote", 5, NULL, &error));
    CHECK_OK(strata_batch_dimension(batch, "Quotes", 6, &again, &error));
    CHECK(made != 0 && again == made);
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_batch_dimension(batch, "", 0, &again, &error));
    CHECK_OK(strata_crystallize(batch, NULL, &error));
    strata_batch_free(batch);
    strata_consumer* consumer = attach("named");
    strata_snapshot* snapshot = snapshot_of(consumer);
    CHECK_OK(strata_dimension_number(snapshot, "Quotes", 6, &again, &error));
    CHECK(again == made);
    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("named", 5, base_path(), &error));
}

void test_producer(void) {
    modes_of_opening();
    a_batch_is_published_whole();
    a_dimension_is_cleared();
    limits_are_kept_and_told();
    files_are_opened_to_whom_one_says();
    dimensions_are_added();
    dimensions_by_name();
}
