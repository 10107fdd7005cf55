/* SPDX-License-Identifier: Apache-2.0 */
/* Generations that are kept under names. */
#include "check.h"

static void a_bookmark_outlives_its_producer(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("marked");
    const uint64_t first = publish(producer, 1, 1, "first");
    uint64_t set = 0;
    CHECK_OK(strata_set_bookmark(producer, "before", 6, 0, &set, &error));
    CHECK(set == first);
    publish(producer, 1, 1, "second");
    strata_producer_close(producer);
    producer = produce("marked");
    publish(producer, 1, 1, "third");
    CHECK_OK(strata_set_bookmark(producer, "another", 7, first, NULL, &error));

    strata_consumer* consumer = attach("marked");
    strata_bookmark_list* list = NULL;
    CHECK_OK(strata_bookmarks(consumer, &list, &error));
    CHECK(strata_bookmark_list_size(list) == 2);
    strata_bookmark bookmark = STRATA_BOOKMARK_INIT;
    CHECK_OK(strata_bookmark_list_get(list, 1, &bookmark, &error));
    CHECK(bookmark.generation == first);
    CHECK(bookmark.made_at_ns > 0);
    CHECK(bookmark.name.size == 6 && memcmp(bookmark.name.data, "before", 6) == 0);
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_bookmark_list_get(list, 2, &bookmark, &error));
    strata_bookmark_list_free(list);

    strata_snapshot* snapshot = NULL;
    strata_layer layer;
    CHECK_OK(strata_snapshot_take_bookmark(consumer, "before", 6, &snapshot, &error));
    CHECK_OK(strata_remove_bookmark(producer, "before", 6, &error));
    CHECK_OK(strata_remove_bookmark(producer, "another", 7, &error));
    CHECK_OK(strata_get(snapshot, 1, 1, &layer, &error));
    CHECK(layer_is(&layer, "first"));
    strata_snapshot_release(snapshot);

    CHECK_FAILS(STRATA_BOOKMARK_NOT_FOUND,
                strata_snapshot_take_bookmark(consumer, "before", 6, &snapshot, &error));
    CHECK_FAILS(STRATA_BOOKMARK_NOT_FOUND, strata_remove_bookmark(producer, "before", 6, &error));
    CHECK_FAILS(STRATA_INVALID_NAME, strata_set_bookmark(producer, "", 0, 0, NULL, &error));
    CHECK_FAILS(STRATA_GENERATION_NOT_RETAINED,
                strata_set_bookmark(producer, "old", 3, first, NULL, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_set_bookmark(producer, NULL, 3, 0, NULL, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_set_bookmark(NULL, "x", 1, 0, NULL, &error));
    CHECK(strata_bookmark_list_size(NULL) == 0);
    strata_bookmark_list_free(NULL);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("marked", 6, base_path(), &error));
}

void test_bookmarks(void) { a_bookmark_outlives_its_producer(); }
