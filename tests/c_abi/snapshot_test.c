/* SPDX-License-Identifier: Apache-2.0 */
/* Look-ups one by one and in batches, gathering, walking, differences, verification. */
#include <stdlib.h>

#include "check.h"

enum { layers = 300 };

/* Dimension 1 has the numbers 0, 2, 4 ... as 8-byte values, 9 is of another size; dimension 2 has
 * names. */
static strata_producer* fill(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("look");
    strata_batch* batch = NULL;
    const strata_string keywords[] = {{"emotion", 7}, {"feeling", 7}, {"", 0}};
    strata_layer_options options = STRATA_LAYER_OPTIONS_INIT;
    CHECK_OK(strata_batch_new(producer, &batch, &error));
    for (uint64_t i = 0; i < layers; i += 2) {
        const uint64_t value = i * i;
        CHECK_OK(strata_put(batch, 1, i, &value, sizeof value, NULL, &error));
    }
    CHECK_OK(strata_put(batch, 1, 9, "nine", 4, NULL, &error));
    options.frequency = 1.5;
    options.type_tag = 77;
    options.keywords = keywords;
    options.keyword_count = 3;
    CHECK_OK(strata_put_name(batch, 2, "joy", 3, "glad", 4, &options, NULL, &error));
    CHECK_OK(strata_put(batch, 2, 1, "", 0, NULL, &error));
    CHECK_OK(strata_name_dimension(batch, 2, "Feelings", 8, &error));
    CHECK_OK(strata_crystallize(batch, NULL, &error));
    strata_batch_free(batch);
    return producer;
}

static void one_by_one(const strata_snapshot* s) {
    strata_error error = STRATA_ERROR_INIT;
    strata_layer_info info = STRATA_LAYER_INFO_INIT;
    strata_layer layer = {s, 1, 1};
    strata_string words[2];
    size_t count = 9;
    char copy[4] = "....";

    CHECK_OK(strata_find(s, 1, 1, &layer, &error));
    CHECK(layer.data == NULL && layer.size == 0);
    CHECK_OK(strata_find(s, 99, 1, &layer, &error));
    CHECK(layer.data == NULL);
    CHECK_FAILS(STRATA_LAYER_NOT_FOUND, strata_get(s, 1, 1, &layer, &error));
    CHECK_FAILS(STRATA_DIMENSION_NOT_FOUND, strata_get(s, 99, 1, &layer, &error));
    CHECK_FAILS(STRATA_LAYER_NOT_FOUND, strata_get_name(s, 2, "woe", 3, &layer, &error));
    CHECK_OK(strata_get(s, 2, 1, &layer, &error));
    CHECK(layer.data != NULL && layer.size == 0); /* empty is not absent */
    CHECK_OK(strata_layer_copy(&layer, 0, NULL, 0, &error));

    CHECK_OK(strata_find_name(s, 2, "joy", 3, &layer, &error));
    CHECK(layer_is(&layer, "glad"));
    CHECK_OK(strata_get_name(s, 2, "joy", 3, &layer, &error));
    CHECK_OK(strata_layer_describe(&layer, &info, &error));
    CHECK(info.dimension == 2 && info.layer == strata_layer_number("joy", 3));
    CHECK(info.frequency == 1.5 && info.type_tag == 77 && info.keywords == 3);
    CHECK(string_is(info.name, "joy") && info.generation == strata_snapshot_generation(s));
    CHECK_OK(strata_layer_keywords(&layer, 0, words, 2, &count, &error));
    CHECK(count == 2 && string_is(words[0], "emotion") && string_is(words[1], "feeling"));
    CHECK_OK(strata_layer_keywords(&layer, 1, words, 2, &count, &error));
    CHECK(count == 2 && string_is(words[0], "feeling") && string_is(words[1], ""));
    CHECK_OK(strata_layer_keywords(&layer, 4, words, 2, &count, &error));
    CHECK(count == 0);
    CHECK_OK(strata_layer_copy(&layer, 1, copy, 3, &error));
    CHECK(memcmp(copy, "lad.", 4) == 0);
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_layer_copy(&layer, 2, copy, 3, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_layer_copy(&layer, 1, copy, SIZE_MAX, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_layer_copy(&layer, 5, copy, 0, &error));
    CHECK_OK(strata_layer_verify(&layer, &error));
}

static void in_batches(const strata_snapshot* s) {
    strata_error error = STRATA_ERROR_INIT;
    uint64_t numbers[layers];
    uint64_t rows[layers];
    uint8_t state[layers];
    strata_id ids[layers];
    strata_layer found[layers];
    size_t copied = 0;
    for (uint32_t i = 0; i < layers; ++i) {
        numbers[i] = layers - 1 - i;
        ids[i] = (strata_id){i % 3 == 0 ? 2U : 1U, 0, numbers[i]};
    }
    CHECK_OK(strata_find_in(s, 1, numbers, layers, found, &error));
    for (size_t i = 0; i < layers; ++i) {
        const uint64_t value = numbers[i] * numbers[i];
        CHECK(numbers[i] == 9 ? layer_is(&found[i], "nine")
                              : (found[i].data != NULL) == (numbers[i] % 2 == 0));
        CHECK(numbers[i] % 2 == 1 || (found[i].size == 8 && memcmp(found[i].data, &value, 8) == 0));
    }
    CHECK_OK(strata_find_many(s, ids, layers, found, &error));
    for (size_t i = 0; i < layers; ++i) {
        strata_layer one;
        CHECK_OK(strata_find(s, ids[i].dimension, ids[i].layer, &one, &error));
        CHECK(one.data == found[i].data && one.size == found[i].size);
    }
    memset(rows, 0xFF, sizeof rows);
    CHECK_OK(strata_gather(s, 1, numbers, layers, rows, 8, state, &copied, &error));
    CHECK(copied == layers / 2);
    for (size_t i = 0; i < layers; ++i) {
        CHECK(state[i] == (numbers[i] == 9       ? STRATA_GATHERED_OTHER
                           : numbers[i] % 2 == 0 ? STRATA_GATHERED
                                                 : STRATA_GATHERED_NONE));
        CHECK(rows[i] == (numbers[i] % 2 == 0 ? numbers[i] * numbers[i] : 0));
    }
    CHECK_OK(strata_gather(s, 99, numbers, layers, rows, 8, NULL, &copied, &error));
    CHECK(copied == 0 && rows[5] == 0);
    CHECK_OK(strata_gather(s, 2, (uint64_t[]){1, 2}, 2, NULL, 0, state, &copied, &error));
    CHECK(copied == 1 && state[0] == STRATA_GATHERED && state[1] == STRATA_GATHERED_NONE);
    CHECK_OK(strata_find_in(s, 1, NULL, 0, NULL, &error));
    CHECK_OK(strata_find_many(s, NULL, 0, NULL, &error));
    CHECK_OK(strata_gather(s, 1, NULL, 0, NULL, 8, NULL, NULL, &error));
}

static void walking(strata_snapshot* s) {
    strata_error error = STRATA_ERROR_INIT;
    strata_dimension_list* list = NULL;
    strata_dimension_info info = STRATA_DIMENSION_INFO_INIT;
    strata_cursor* cursor = NULL;
    uint64_t numbers[16];
    strata_layer found[16];
    size_t count = 0;
    size_t total = 0;
    uint64_t size = 0;
    uint32_t number = 0;
    int has = 7;
    CHECK_OK(strata_has_dimension(s, 1, &has, &error));
    CHECK(has == 1);
    CHECK_OK(strata_has_dimension(s, 3, &has, &error));
    CHECK(has == 0);
    CHECK_OK(strata_dimension_number(s, "Feelings", 8, &number, &error));
    CHECK(number == 2);
    CHECK_FAILS(STRATA_DIMENSION_NOT_FOUND,
                strata_dimension_number(s, "Feeling", 7, &number, &error));
    CHECK(number == 2);
    CHECK_OK(strata_dimension_layers(s, 2, &size, &error));
    CHECK(size == 2);
    CHECK_FAILS(STRATA_DIMENSION_NOT_FOUND, strata_dimension_layers(s, 3, &size, &error));
    CHECK_OK(strata_dimensions(s, &list, &error));
    CHECK(strata_dimension_list_size(list) == 2);
    CHECK_OK(strata_dimension_list_get(list, 1, &info, &error));
    CHECK(info.dimension == 2 && string_is(info.name, "Feelings") && info.layers == 2);
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_dimension_list_get(list, 2, &info, &error));
    strata_dimension_list_free(list);

    CHECK_FAILS(STRATA_DIMENSION_NOT_FOUND, strata_cursor_open(s, 3, &cursor, &error));
    CHECK_OK(strata_cursor_open(s, 1, &cursor, &error));
    do {
        CHECK_OK(strata_cursor_next(cursor, numbers, found, 16, &count, &error));
        for (size_t i = 0; i < count; ++i, ++total) {
            const uint64_t value = numbers[i] * numbers[i];
            const uint64_t expected = total < 5 ? 2 * total : total == 5 ? 9 : 2 * (total - 1);
            CHECK(numbers[i] == expected);
            CHECK(numbers[i] == 9 ? layer_is(&found[i], "nine")
                                  : memcmp(found[i].data, &value, 8) == 0);
        }
    } while (count > 0);
    CHECK(total == layers / 2 + 1);
    CHECK_OK(strata_cursor_next(cursor, numbers, found, 16, &count, &error));
    CHECK(count == 0);
    strata_cursor_close(cursor);
    CHECK_OK(strata_cursor_open(s, 1, &cursor, &error));
    CHECK_OK(strata_cursor_next(cursor, NULL, NULL, 1000, &count, &error));
    CHECK(count == layers / 2 + 1);
    strata_cursor_close(cursor);
}

static void differences(strata_producer* producer, strata_snapshot* before) {
    strata_error error = STRATA_ERROR_INIT;
    strata_batch* batch = NULL;
    strata_changes* changes = NULL;
    CHECK_OK(strata_batch_new(producer, &batch, &error));
    CHECK_OK(strata_put(batch, 1, 1, "added", 5, NULL, &error));
    CHECK_OK(strata_put(batch, 1, 9, "nein", 4, NULL, &error));
    CHECK_OK(strata_erase_name(batch, 2, "joy", 3, &error));
    CHECK_OK(strata_crystallize(batch, NULL, &error));
    strata_batch_free(batch);
    strata_consumer* consumer = attach("look");
    strata_snapshot* after = snapshot_of(consumer);
    CHECK_OK(strata_changes_between(before, after, &changes, &error));
    CHECK(strata_changes_size(changes) == 3);
    strata_snapshot_release(after); /* the list holds it */
    const strata_change* list = strata_changes_data(changes);
    CHECK(list[0].id.layer == 1 && list[0].kind == STRATA_ADDED && list[0].before.data == NULL);
    CHECK(layer_is(&list[0].after, "added"));
    CHECK(list[1].id.layer == 9 && list[1].kind == STRATA_UPDATED);
    CHECK(layer_is(&list[1].before, "nine") && layer_is(&list[1].after, "nein"));
    CHECK(list[2].id.dimension == 2 && list[2].kind == STRATA_REMOVED);
    CHECK(layer_is(&list[2].before, "glad") && list[2].after.data == NULL);
    strata_changes_free(changes);
    CHECK_OK(strata_changes_in(before, before, 1, &changes, &error));
    CHECK(strata_changes_size(changes) == 0 && strata_changes_data(changes) == NULL);
    strata_changes_free(changes);
    CHECK_OK(strata_changes_in(NULL, before, 2, &changes, &error));
    CHECK(strata_changes_size(changes) == 2);
    strata_changes_free(changes);

    strata_producer* other = produce("other");
    strata_consumer* elsewhere = attach("other");
    strata_snapshot* foreign = snapshot_of(elsewhere);
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_changes_between(before, foreign, &changes, &error));
    strata_snapshot_release(foreign);
    strata_detach(elsewhere);
    strata_producer_close(other);
    CHECK_OK(strata_remove_store("other", 5, base_path(), &error));
    strata_detach(consumer);
}

/* Overwrites the text in the region files, as somebody with write permission could. */
static void damage(const char* store, const char* text) {
    char path[256];
    char* bytes = malloc(1 << 20);
    size_t size = 0;
    snprintf(path, sizeof path, "%s/%s/region-1.mmap", base_path(), store);
    FILE* file = fopen(path, "r+b");
    CHECK(file != NULL && bytes != NULL);
    size = fread(bytes, 1, 1 << 20, file);
    for (size_t i = 0; i + strlen(text) <= size; ++i) {
        if (memcmp(bytes + i, text, strlen(text)) == 0) {
            CHECK(fseek(file, (long)i, SEEK_SET) == 0 && fputc('#', file) == '#');
            break;
        }
    }
    CHECK(fclose(file) == 0);
    free(bytes);
}

static void damage_is_found(strata_snapshot* s) {
    strata_error error = STRATA_ERROR_INIT;
    strata_verification* verification = NULL;
    strata_verify_summary summary = STRATA_VERIFY_SUMMARY_INIT;
    strata_verify_failure failure = STRATA_VERIFY_FAILURE_INIT;
    strata_verify_options options = STRATA_VERIFY_OPTIONS_INIT;
    strata_layer layer;
    CHECK_OK(strata_verify(s, NULL, &verification, &error));
    CHECK_OK(strata_verification_describe(verification, &summary, &error));
    CHECK(summary.failures == 0 && summary.layers == layers / 2 + 3 && summary.dimensions == 2);
    strata_verification_free(verification);

    damage("look", "nine");
    CHECK_OK(strata_find(s, 1, 9, &layer, &error));
    CHECK_FAILS(STRATA_CORRUPT, strata_layer_verify(&layer, &error));
    options.one_dimension = 1;
    options.dimension = 1;
    CHECK_OK(strata_verify(s, &options, &verification, &error));
    CHECK_OK(strata_verification_describe(verification, &summary, &error));
    CHECK(summary.failures == 1 && summary.remembered_failures == 1 && summary.dimensions == 1);
    CHECK_OK(strata_verification_failure(verification, 0, &failure, &error));
    CHECK(failure.has_dimension == 1 && failure.dimension == 1);
    CHECK(failure.has_layer == 1 && failure.layer == 9);
    CHECK(string_is(failure.file, "region-1.mmap") && failure.what.size > 0);
    CHECK_FAILS(STRATA_INVALID_ARGUMENT,
                strata_verification_failure(verification, 1, &failure, &error));
    strata_verification_free(verification);
    options.dimension = 3;
    CHECK_FAILS(STRATA_DIMENSION_NOT_FOUND, strata_verify(s, &options, &verification, &error));
}

void test_snapshot(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = fill();
    strata_consumer* consumer = attach("look");
    strata_snapshot* snapshot = snapshot_of(consumer);
    one_by_one(snapshot);
    in_batches(snapshot);
    walking(snapshot);
    differences(producer, snapshot);
    damage_is_found(snapshot);
    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("look", 4, base_path(), &error));
}
