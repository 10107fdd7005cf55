/* SPDX-License-Identifier: Apache-2.0 */
/* Prints a line for every generation of the store that languages_producer publishes, until the
 * producer is gone: languages_consumer_c STORE [BASE_PATH] */
#include <stdio.h>
#include <string.h>

#include <strata/strata.h>

/* What the producer, in C++, calls by that name. */
typedef struct {
    double price;
    uint64_t size;
} quote;
static const strata_type quote_type = {"Quote", 5, sizeof(quote), _Alignof(quote), 0, 0};
static const strata_type curve_type = {"f32", 3, sizeof(float), _Alignof(float), 1, 0};

enum { counters = 1000, line_bytes = 512 };

/* The layer of that name and type. */
static strata_status typed(const strata_snapshot* snapshot, uint32_t dimension, const char* name,
                           const strata_type* type, strata_layer* layer, strata_error* error) {
    const strata_status status =
        strata_get_name(snapshot, dimension, name, strlen(name), layer, error);
    return status != STRATA_OK ? status : strata_layer_expect(layer, type, error);
}

static strata_status print_line(const strata_snapshot* snapshot, strata_error* error) {
    static const char* const symbols[] = {"AAA", "BBB", "CCC"};
    char text[line_bytes];
    size_t used = 0;
    uint32_t quotes = 0;
    strata_layer layer;
    strata_status status = strata_dimension_number(snapshot, "Quotes", 6, &quotes, error);
    if (status != STRATA_OK) return status;
    used += (size_t)snprintf(text + used, sizeof text - used,
                             "%llu:", (unsigned long long)strata_snapshot_generation(snapshot));
    for (size_t i = 0; i < 3; ++i) {
        status = typed(snapshot, quotes, symbols[i], &quote_type, &layer, error);
        if (status != STRATA_OK) return status;
        const quote* const now = layer.data; /* in place */
        used += (size_t)snprintf(text + used, sizeof text - used, " %s=%.2fx%llu", symbols[i],
                                 now->price, (unsigned long long)now->size);
    }

    uint64_t numbers[counters];
    uint64_t rows[counters];
    uint64_t sum = 0;
    for (uint64_t i = 0; i < counters; ++i)
        numbers[i] = i;
    status = strata_gather(snapshot, 1, numbers, counters, rows, sizeof rows[0], NULL, NULL, error);
    if (status != STRATA_OK) return status;
    for (size_t i = 0; i < counters; ++i)
        sum += rows[i];

    status = typed(snapshot, quotes, "curve", &curve_type, &layer, error);
    if (status != STRATA_OK) return status;
    snprintf(text + used, sizeof text - used,
             " counters=%llu curve=%.2f text=", (unsigned long long)sum,
             (double)*(const float*)layer.data);

    status = strata_find(snapshot, 2, 5, &layer, error);
    if (status != STRATA_OK) return status;
    if (layer.data == NULL) {
        printf("%snone\n", text);
    } else {
        strata_string words[8];
        size_t count = 0;
        status = strata_layer_keywords(&layer, 0, words, 8, &count, error);
        if (status != STRATA_OK) return status;
        printf("%s%.*s", text, (int)layer.size, (const char*)layer.data);
        for (size_t i = 0; i < count; ++i)
            printf(" %.*s", (int)words[i].size, words[i].data);
        printf("\n");
    }
    fflush(stdout);
    return STRATA_OK;
}

static strata_status follow(strata_consumer* consumer, strata_error* error) {
    uint64_t seen = 1; /* the empty store */
    for (;;) {
        enum strata_wait_result result = STRATA_WAIT_CHANGED;
        strata_snapshot* snapshot = NULL;
        strata_status status = strata_wait(consumer, seen, NULL, &result, error);
        if (status != STRATA_OK || result != STRATA_WAIT_CHANGED) return status;
        status = strata_snapshot_take(consumer, &snapshot, error);
        if (status != STRATA_OK) return status;
        seen = strata_snapshot_generation(snapshot);
        status = print_line(snapshot, error);
        strata_snapshot_release(snapshot);
        if (status != STRATA_OK) return status;
    }
}

int main(int argc, char** argv) {
    strata_error error = STRATA_ERROR_INIT;
    strata_attach_options options = STRATA_ATTACH_OPTIONS_INIT;
    strata_consumer* consumer = NULL;
    if (argc != 2 && argc != 3) {
        fprintf(stderr, "usage: languages_consumer_c STORE [BASE_PATH]\n");
        return 2;
    }
    options.base_path = argc == 3 ? argv[2] : NULL;
    options.wait_for_store_ms = 60000;
    strata_status status = strata_attach(argv[1], strlen(argv[1]), &options, &consumer, &error);
    if (status == STRATA_OK) status = follow(consumer, &error);
    if (status != STRATA_OK) fprintf(stderr, "%s\n", error.message);
    strata_detach(consumer);
    return status == STRATA_OK ? 0 : 1;
}
