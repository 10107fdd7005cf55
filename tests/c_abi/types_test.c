/* SPDX-License-Identifier: Apache-2.0 */
/* Type tags: those that C++ makes, and what a layer of another type is refused with. */
#include "check.h"

typedef struct {
    double price;
    uint64_t size;
} quote;

static strata_type type_of(const char* name, uint64_t size, uint64_t alignment, uint32_t array) {
    const strata_type type = {name, strlen(name), size, alignment, array, 0};
    return type;
}

/* FNV-1a, 64 bits, of a text: the rule as another language would write it. */
static uint64_t fnv1a(const char* text) {
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (; *text != '\0'; ++text) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001B3);
    }
    return hash;
}

static bool text_is(uint64_t tag, const char* expected) {
    strata_error error = STRATA_ERROR_INIT;
    char* text = NULL;
    size_t size = 0;
    CHECK_OK(strata_type_tag_text(tag, &text, &size, &error));
    const bool same = strcmp(text, expected) == 0 && size == strlen(expected);
    strata_free(text);
    return same;
}

static void tags_are_of_a_documented_text(void) {
    const strata_type number = type_of("f64", 8, 8, 0);
    const strata_type numbers = type_of("f64", 8, 8, 1);
    const strata_type quotes = type_of("Quote", 16, 8, 1);
    CHECK(strata_type_tag(&number) == fnv1a("f64:8:8"));
    CHECK(strata_type_tag(&numbers) == fnv1a("f64[]:8:8"));
    CHECK(strata_type_tag(&quotes) == fnv1a("Quote[]:16:8"));
    CHECK(text_is(strata_type_tag(&number), "f64") && text_is(strata_type_tag(&numbers), "f64[]"));
    CHECK(text_is(0, "plain bytes") && text_is(0x12, "type 0x0000000000000012"));
}

static void layers_are_read_as_what_they_are(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("types");
    strata_batch* batch = NULL;
    strata_layer_options options = STRATA_LAYER_OPTIONS_INIT;
    strata_layer layer;
    const quote quotes[2] = {{1.5, 10}, {2.5, 20}};
    strata_type type = type_of("Quote", sizeof(quote), _Alignof(quote), 1);
    CHECK_OK(strata_batch_new(producer, &batch, &error));
    options.type_tag = strata_type_tag(&type);
    CHECK_OK(strata_put(batch, 1, 1, quotes, sizeof quotes, &options, &error));
    CHECK_OK(strata_put(batch, 1, 2, quotes, sizeof quotes - 1, &options, &error));
    CHECK_OK(strata_put(batch, 1, 3, quotes, sizeof quotes, NULL, &error));
    CHECK_OK(strata_crystallize(batch, NULL, &error));
    strata_batch_free(batch);

    strata_consumer* consumer = attach("types");
    strata_snapshot* snapshot = snapshot_of(consumer);
    CHECK_OK(strata_get(snapshot, 1, 1, &layer, &error));
    CHECK_OK(strata_layer_expect(&layer, &type, &error));
    type.array = 0;
    CHECK_FAILS(STRATA_TYPE_MISMATCH, strata_layer_expect(&layer, &type, &error));
    CHECK(strstr(error.message, "read layer as Quote") != NULL && error.hint[0] != '\0');
    type.array = 1;
    type.name = "Trade";
    CHECK_FAILS(STRATA_TYPE_MISMATCH, strata_layer_expect(&layer, &type, &error));
    CHECK(strstr(error.message, "Trade[] takes a multiple of 16 bytes") != NULL);
    type.name = "Quote";
    type.alignment = 8192; /* more than any layer has */
    CHECK_FAILS(STRATA_TYPE_MISMATCH, strata_layer_expect(&layer, &type, &error));
    type.alignment = _Alignof(quote);
    CHECK_OK(strata_get(snapshot, 1, 2, &layer, &error)); /* a byte is missing */
    CHECK_FAILS(STRATA_TYPE_MISMATCH, strata_layer_expect(&layer, &type, &error));
    type.size = 0;
    CHECK_FAILS(STRATA_TYPE_MISMATCH, strata_layer_expect(&layer, &type, &error));
    type.size = sizeof(quote);
    CHECK_OK(strata_get(snapshot, 1, 3, &layer, &error));
    CHECK_FAILS(STRATA_TYPE_MISMATCH, strata_layer_expect(&layer, &type, &error));
    CHECK(strstr(error.message, "holds plain bytes") != NULL);
    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("types", 5, base_path(), &error));
}

void test_types(void) {
    tags_are_of_a_documented_text();
    layers_are_read_as_what_they_are();
}
