/* SPDX-License-Identifier: Apache-2.0 */
/* Attaching, looking at stores from outside, and snapshots' lives. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static void attach_reads_what_was_published(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("attach");
    const uint64_t generation = publish(producer, 1, 5, "joy");
    strata_consumer* consumer = attach("attach");
    strata_snapshot* snapshot = snapshot_of(consumer);
    strata_snapshot_info info = STRATA_SNAPSHOT_INFO_INIT;
    strata_consumer_statistics memory = STRATA_CONSUMER_STATISTICS_INIT;
    strata_layer layer;
    int64_t pid = 0;
    int replaced = 7;

    CHECK(strata_generation(consumer) == generation);
    CHECK(strata_snapshot_generation(snapshot) == generation);
    CHECK_OK(strata_snapshot_describe(snapshot, &info, &error));
    CHECK(info.generation == generation && info.layers == 1 && info.dimensions == 1);
    CHECK(info.published_at_ns > INT64_C(1577836800000000000)); /* 2020 */
    CHECK_OK(strata_find(snapshot, 1, 5, &layer, &error));
    CHECK(layer_is(&layer, "joy"));
    CHECK_OK(strata_consumer_describe(consumer, &memory, &error));
    CHECK(memory.mapped_regions == 1);

    CHECK_OK(strata_producer_pid(consumer, &pid, &error));
    CHECK(pid == getpid());
    strata_producer_close(producer);
    CHECK_OK(strata_producer_pid(consumer, &pid, &error));
    CHECK(pid == 0);
    CHECK_OK(strata_store_replaced(consumer, &replaced, &error));
    CHECK(replaced == 0);
    CHECK_OK(strata_remove_store("attach", 6, base_path(), &error));
    CHECK_OK(strata_store_replaced(consumer, &replaced, &error));
    CHECK(replaced == 1);
    CHECK_FAILS(STRATA_STORE_NOT_FOUND, strata_reattach(consumer, &error));

    /* The snapshot outlives consumer, producer and store. */
    strata_detach(consumer);
    CHECK(layer_is(&layer, "joy"));
    strata_snapshot_release(snapshot);
}

static void snapshots_are_counted_and_pinned(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("pins");
    const uint64_t first = publish(producer, 1, 1, "old");
    strata_consumer* consumer = attach("pins");
    strata_snapshot* held = snapshot_of(consumer);
    strata_store_info info = STRATA_STORE_INFO_INIT;
    strata_layer layer;

    CHECK(strata_snapshot_ref(held) == held);
    strata_snapshot_release(held);
    for (int i = 0; i < 100; ++i) {
        publish(producer, 1, 1, "new");
    }
    CHECK_OK(strata_find(held, 1, 1, &layer, &error));
    CHECK(layer_is(&layer, "old"));
    CHECK(strata_snapshot_generation(held) == first);
    CHECK_OK(strata_inspect("pins", 4, base_path(), &info, &error));
    CHECK(info.readers == 1 && info.producer_pid == getpid() && info.layers == 1);
    CHECK(info.generation == first + 100 && strlen(info.id) == 32 && info.committed_bytes > 0);

    /* A forked child reads what it inherits. */
    const pid_t child = fork();
    if (child == 0) {
        const bool same = strata_find(held, 1, 1, &layer, &error) == STRATA_OK &&
                          layer_is(&layer, "old") &&
                          strata_trim(producer, NULL, &error) == STRATA_WRONG_PROCESS;
        _exit(same ? 0 : 1);
    }
    int status = -1;
    CHECK(waitpid(child, &status, 0) == child && status == 0);

    strata_snapshot_release(held);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("pins", 4, base_path(), &error));
}

static void earlier_generations_can_be_asked_for(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    strata_producer* producer = NULL;
    options.base_path = base_path();
    options.retain = 3;
    options.open_mode = STRATA_CREATE;
    CHECK_OK(strata_produce("history", 7, &options, &producer, &error));
    const uint64_t first = publish(producer, 1, 1, "first");
    publish(producer, 1, 1, "second");
    strata_consumer* consumer = attach("history");
    uint64_t oldest = 0;
    uint64_t newest = 0;
    strata_snapshot* earlier = NULL;
    strata_layer layer;
    CHECK_OK(strata_retained(consumer, &oldest, &newest, &error));
    CHECK(oldest <= first && newest == first + 1);
    CHECK_OK(strata_snapshot_take_at(consumer, first, &earlier, &error));
    CHECK_OK(strata_find(earlier, 1, 1, &layer, &error));
    CHECK(layer_is(&layer, "first"));
    strata_snapshot_release(earlier);
    earlier = NULL;
    CHECK_FAILS(STRATA_GENERATION_NOT_RETAINED,
                strata_snapshot_take_at(consumer, newest + 1, &earlier, &error));
    CHECK(earlier == NULL);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("history", 7, base_path(), &error));
}

static void stores_are_listed_and_described(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_store_list* list = NULL;
    char* json = NULL;
    size_t size = 0;
    strata_producer* b = produce("b");
    strata_producer* a = produce("a");
    publish(a, 99, 7, "seven");
    CHECK_OK(strata_list_stores(base_path(), &list, &error));
    CHECK(strata_store_list_size(list) == 2);
    CHECK(string_is(strata_store_list_name(list, 0), "a"));
    CHECK(string_is(strata_store_list_name(list, 1), "b"));
    CHECK(strata_store_list_name(list, 2).data == NULL);
    strata_store_list_free(list);
    CHECK_OK(strata_list_stores("/dev/shm/strata-test-nowhere", &list, &error));
    CHECK(strata_store_list_size(list) == 0);
    strata_store_list_free(list);

    strata_consumer* consumer = attach("a");
    for (int i = 0; i < 3; ++i) {
        if (i == 0) CHECK_OK(strata_statistics_json("a", 1, base_path(), &json, &size, &error));
        if (i == 1) CHECK_OK(strata_consumer_statistics_json(consumer, &json, &size, &error));
        if (i == 2) CHECK_OK(strata_producer_statistics_json(a, &json, &size, &error));
        CHECK(strlen(json) == size && json[0] == '{');
        CHECK(strstr(json, "\"memory_limit\"") != NULL && strstr(json, "\"D99\"") != NULL);
        strata_free(json);
    }
    strata_detach(consumer);
    CHECK_FAILS(STRATA_PRODUCER_ACTIVE, strata_remove_store("a", 1, base_path(), &error));
    strata_producer_close(a);
    strata_producer_close(b);
    CHECK_OK(strata_remove_store("a", 1, base_path(), &error));
    CHECK_OK(strata_remove_store("b", 1, base_path(), &error));
    CHECK_FAILS(STRATA_STORE_NOT_FOUND, strata_remove_store("b", 1, base_path(), &error));
}

void test_consumer(void) {
    attach_reads_what_was_published();
    snapshots_are_counted_and_pinned();
    earlier_generations_can_be_asked_for();
    stores_are_listed_and_described();
}
