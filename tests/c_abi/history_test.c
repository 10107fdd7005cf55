/* SPDX-License-Identifier: Apache-2.0 */
/* Generations that stay readable, and what lies between two of them: retention by number, time and
 * bytes, dimensions that came and went, dimensions that moved. */
#include "check.h"

static strata_producer* produce_with(const char* name, strata_producer_options options) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = NULL;
    options.base_path = base_path();
    options.memory_limit = 64 << 20;
    options.region_max_bytes = 64 << 20;
    CHECK_OK(strata_produce(name, strlen(name), &options, &producer, &error));
    return producer;
}

/* Publishes "0", "1" ... as layer 1/1 and returns the first generation of them. */
static uint64_t publish_digits(strata_producer* producer, unsigned count) {
    uint64_t first = 0;
    for (unsigned i = 0; i < count; ++i) {
        const char text[] = {(char)('0' + i), '\0'};
        const uint64_t generation = publish(producer, 1, 1, text);
        if (i == 0) first = generation;
    }
    return first;
}

static bool snapshot_has(strata_snapshot* snapshot, const char* text) {
    strata_error error = STRATA_ERROR_INIT;
    strata_layer layer;
    CHECK_OK(strata_get(snapshot, 1, 1, &layer, &error));
    return layer_is(&layer, text);
}

static void generations_stay_readable(const char* name, strata_producer_options options,
                                      unsigned retained) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce_with(name, options);
    const uint64_t first = publish_digits(producer, 10);
    strata_consumer* consumer = attach(name);
    uint64_t oldest = 0;
    uint64_t newest = 0;
    CHECK_OK(strata_retained(consumer, &oldest, &newest, &error));
    CHECK(newest == first + 9);
    if (retained < 10) {
        CHECK(oldest == newest - retained);
    } else {
        CHECK(oldest <= first);
    }
    for (uint64_t generation = first; generation <= newest; ++generation) {
        strata_snapshot* by_number = NULL;
        strata_snapshot* by_time = NULL;
        strata_snapshot_info info = STRATA_SNAPSHOT_INFO_INIT;
        const char text[] = {(char)('0' + (generation - first)), '\0'};
        if (generation < oldest) {
            CHECK_FAILS(STRATA_GENERATION_NOT_RETAINED,
                        strata_snapshot_take_at(consumer, generation, &by_number, &error));
            CHECK(by_number == NULL);
            continue;
        }
        CHECK_OK(strata_snapshot_take_at(consumer, generation, &by_number, &error));
        CHECK(snapshot_has(by_number, text));
        CHECK_OK(strata_snapshot_describe(by_number, &info, &error));
        CHECK(info.generation == generation);
        /* Two may have been published at the same time by a coarse clock: then it is the later. */
        CHECK_OK(strata_snapshot_take_at_time(consumer, info.published_at_ns, &by_time, &error));
        CHECK(strata_snapshot_generation(by_time) >= generation);
        strata_snapshot_info found = STRATA_SNAPSHOT_INFO_INIT;
        CHECK_OK(strata_snapshot_describe(by_time, &found, &error));
        CHECK(found.published_at_ns == info.published_at_ns);
        strata_snapshot_release(by_time);
        strata_snapshot_release(by_number);
    }
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store(name, strlen(name), base_path(), &error));
}

static void retention_has_three_bounds(void) {
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    generations_stay_readable("none", options, 0);
    options.retain = 3;
    generations_stay_readable("number", options, 3);
    options.retain_for_ns = UINT64_MAX; /* for ever */
    generations_stay_readable("time", options, 10);
    options.retain_bytes = 1; /* what the newest commit supersedes counts with the next one */
    generations_stay_readable("bytes", options, 1);
}

static void times_without_a_generation_are_refused(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    options.retain = 3;
    strata_producer* producer = produce_with("times", options);
    const uint64_t first = publish_digits(producer, 2);
    strata_consumer* consumer = attach("times");
    strata_snapshot* snapshot = NULL;
    CHECK_FAILS(STRATA_GENERATION_NOT_RETAINED,
                strata_snapshot_take_at_time(consumer, 0, &snapshot, &error));
    CHECK_FAILS(STRATA_GENERATION_NOT_RETAINED,
                strata_snapshot_take_at_time(consumer, INT64_MIN, &snapshot, &error));
    CHECK(error.message[0] != '\0' && snapshot == NULL);
    CHECK_OK(strata_snapshot_take_at_time(consumer, INT64_MAX, &snapshot, &error));
    CHECK(strata_snapshot_generation(snapshot) == first + 1);
    strata_snapshot_release(snapshot);
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_snapshot_take_at_time(NULL, 0, &snapshot, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_snapshot_take_at_time(consumer, 0, NULL, &error));
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("times", 5, base_path(), &error));
}

static bool change_is(const strata_dimension_changes* changes, size_t index, uint32_t dimension,
                      uint32_t kind, const char* before, const char* after) {
    strata_error error = STRATA_ERROR_INIT;
    strata_dimension_change change = STRATA_DIMENSION_CHANGE_INIT;
    CHECK_OK(strata_dimension_changes_get(changes, index, &change, &error));
    return change.dimension == dimension && change.kind == kind &&
           string_is(change.before, before) && string_is(change.after, after);
}

static void dimensions_that_differ_are_listed(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("differ");
    strata_consumer* consumer = attach("differ");
    strata_dimension_changes* changes = NULL;
    strata_dimension_change change = STRATA_DIMENSION_CHANGE_INIT;
    CHECK_OK(strata_add_dimension(producer, 3, "Three", 5, NULL, NULL, &error));
    CHECK_OK(strata_add_dimension(producer, 5, "Five", 4, NULL, NULL, &error));
    strata_snapshot* before = snapshot_of(consumer);
    strata_batch* batch = NULL;
    CHECK_OK(strata_batch_new(producer, &batch, &error));
    CHECK_OK(strata_name_dimension(batch, 3, "Drei", 4, &error));
    CHECK_OK(strata_remove_dimension(batch, 5, &error));
    CHECK_OK(strata_name_dimension(batch, 8, "Eight", 5, &error));
    CHECK_OK(strata_crystallize(batch, NULL, &error));
    strata_batch_free(batch);
    strata_snapshot* after = snapshot_of(consumer);

    CHECK_OK(strata_dimension_changes_between(before, after, &changes, &error));
    /* A copy: the list outlives what it was made of. */
    strata_snapshot_release(before);
    CHECK(strata_dimension_changes_size(changes) == 3);
    CHECK(change_is(changes, 0, 3, STRATA_DIMENSION_RENAMED, "Three", "Drei"));
    CHECK(change_is(changes, 1, 5, STRATA_DIMENSION_REMOVED, "Five", ""));
    CHECK(change_is(changes, 2, 8, STRATA_DIMENSION_ADDED, "", "Eight"));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_dimension_changes_get(changes, 3, &change, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_dimension_changes_get(NULL, 0, &change, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_dimension_changes_get(changes, 0, NULL, &error));
    strata_dimension_changes_free(changes);

    CHECK_OK(strata_dimension_changes_between(NULL, after, &changes, &error));
    CHECK(strata_dimension_changes_size(changes) == 2);
    CHECK(change_is(changes, 0, 3, STRATA_DIMENSION_ADDED, "", "Drei"));
    strata_dimension_changes_free(changes);
    CHECK_FAILS(STRATA_INVALID_ARGUMENT,
                strata_dimension_changes_between(after, NULL, &changes, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT,
                strata_dimension_changes_between(after, after, NULL, &error));
    CHECK(strata_dimension_changes_size(NULL) == 0);
    strata_dimension_changes_free(NULL);
    strata_snapshot_release(after);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("differ", 6, base_path(), &error));
}

static uint64_t mapped_regions(const strata_consumer* consumer) {
    strata_error error = STRATA_ERROR_INIT;
    strata_consumer_statistics statistics = STRATA_CONSUMER_STATISTICS_INIT;
    CHECK_OK(strata_consumer_describe(consumer, &statistics, &error));
    return statistics.mapped_regions;
}

static void dimensions_move(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("move");
    uint64_t generation = publish(producer, 1, 1, "stays");
    publish(producer, 2, 1, "beside");
    strata_consumer* consumer = attach("move");
    strata_snapshot* before = snapshot_of(consumer);
    strata_layer layer;
    CHECK_OK(strata_get(before, 1, 1, &layer, &error));
    CHECK_OK(strata_get(before, 2, 1, &layer, &error));
    const uint64_t regions = mapped_regions(consumer);

    strata_dimension_options own = STRATA_DIMENSION_OPTIONS_INIT;
    own.own_region = 1;
    CHECK_OK(strata_move_dimension(producer, 1, &own, &generation, &error));
    CHECK(generation == strata_producer_generation(producer));
    strata_snapshot* after = snapshot_of(consumer);
    CHECK(strata_snapshot_generation(after) == generation);
    CHECK_OK(strata_get(after, 1, 1, &layer, &error));
    CHECK(layer_is(&layer, "stays") && mapped_regions(consumer) == regions + 1);
    strata_changes* changes = NULL;
    CHECK_OK(strata_changes_between(before, after, &changes, &error));
    CHECK(strata_changes_size(changes) == 0);
    strata_changes_free(changes);

    uint64_t back = 0;
    CHECK_OK(strata_move_dimension(producer, 1, NULL, &back, &error));
    CHECK(back == generation + 1);
    CHECK_OK(strata_move_dimension(producer, 1, NULL, &back, &error)); /* it is there */
    CHECK(back == generation + 1);
    CHECK_FAILS(STRATA_DIMENSION_NOT_FOUND, strata_move_dimension(producer, 9, &own, NULL, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_move_dimension(NULL, 1, &own, NULL, &error));
    own.struct_size = 0;
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_move_dimension(producer, 1, &own, NULL, &error));
    CHECK(strata_producer_generation(producer) == generation + 1);
    strata_snapshot_release(before);
    strata_snapshot_release(after);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("move", 4, base_path(), &error));
}

void test_history(void) {
    retention_has_three_bounds();
    times_without_a_generation_are_refused();
    dimensions_that_differ_are_listed();
    dimensions_move();
}
