/* SPDX-License-Identifier: Apache-2.0 */
/* The ABI's structs: their layout as it is for ever, callers whose header is older or newer. */
#include "check.h"

/* What callers were compiled with. A sized struct may grow: then its size here is that of today,
 * and no offset moves. */
#define SIZE(type, size) _Static_assert(sizeof(type) == (size), #type " has another size")
#define AT(type, member, offset) \
    _Static_assert(offsetof(type, member) == (offset), #type "." #member " has moved")
SIZE(strata_string, 16);
SIZE(strata_id, 16);
AT(strata_id, layer, 8);
SIZE(strata_layer, 24);
AT(strata_layer, token, 16);
SIZE(strata_change, 72);
AT(strata_change, after, 48);
SIZE(enum strata_wait_result, 4);
SIZE(strata_error, 2088);
AT(strata_error, needed, 16);
AT(strata_error, message, 40);
AT(strata_error, operation, 1064);
AT(strata_error, path, 1320);
AT(strata_error, hint, 1832);
SIZE(strata_attach_options, 40);
AT(strata_attach_options, base_path, 32);
SIZE(strata_wait_options, 32);
AT(strata_wait_options, cancellation, 24);
SIZE(strata_consumer_statistics, 48);
SIZE(strata_snapshot_info, 40);
SIZE(strata_bookmark, 40);
AT(strata_bookmark, name, 24);
SIZE(strata_layer_info, 72);
AT(strata_layer_info, name, 56);
SIZE(strata_dimension_info, 48);
AT(strata_dimension_info, generation, 40);
SIZE(strata_verify_options, 24);
SIZE(strata_verify_summary, 56);
SIZE(strata_verify_failure, 64);
AT(strata_verify_failure, what, 48);
SIZE(strata_store_info, 152);
AT(strata_store_info, created_at_ns, 56);
AT(strata_store_info, region_max_bytes, 144);
SIZE(strata_producer_options, 112);
AT(strata_producer_options, warning_threshold, 40);
AT(strata_producer_options, base_path, 72);
AT(strata_producer_options, retain_bytes, 88);
AT(strata_producer_options, durability, 96);
AT(strata_producer_options, durability_generations, 104);
SIZE(strata_dimension_change, 48);
AT(strata_dimension_change, after, 32);
SIZE(strata_dimension_options, 40);
SIZE(strata_producer_statistics, 80);
SIZE(strata_type, 40);
AT(strata_type, array, 32);
SIZE(strata_layer_options, 40);
AT(strata_layer_options, keyword_count, 32);

/* Headers of other days. */
struct old_attach_options { /* knew no further options, and had another default base in mind */
    uint32_t struct_size;
    uint32_t trusted_owner;
};
struct old_error {
    uint32_t struct_size;
    strata_status code;
    int32_t os_error;
    uint32_t reserved;
    uint64_t needed, limit, current;
    char message[16];
};
struct new_wait_options {
    strata_wait_options known;
    uint64_t future;
};
struct old_snapshot_info {
    uint32_t struct_size;
    uint32_t reserved;
    uint64_t generation;
    uint64_t not_of_the_struct;
};
struct new_snapshot_info {
    strata_snapshot_info known;
    uint64_t future;
    uint64_t not_of_the_struct;
};

void test_struct_sizes(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("sizes");
    const uint64_t generation = publish(producer, 1, 1, "one");
    strata_consumer* consumer = attach("sizes");
    strata_snapshot* snapshot = snapshot_of(consumer);
    enum strata_wait_result result = STRATA_WAIT_CHANGED;

    /* Options: what a shorter struct lacks is the default, without a byte behind it being read (the
     * store under /dev/shm/strata of that name does not exist). */
    struct old_attach_options old = {sizeof old, STRATA_TRUST_ANYBODY};
    strata_consumer* none = NULL;
    CHECK_FAILS(STRATA_STORE_NOT_FOUND,
                strata_attach("strata-test-sizes", 17, (const strata_attach_options*)(void*)&old,
                              &none, &error));
    struct new_wait_options longer = {STRATA_WAIT_OPTIONS_INIT, 0};
    longer.known.struct_size = sizeof longer;
    longer.known.has_timeout = 1;
    CHECK_OK(strata_wait(consumer, generation, &longer.known, &result, &error));
    CHECK(result == STRATA_WAIT_TIMEOUT);
    longer.future = 1;
    CHECK_FAILS(STRATA_INVALID_ARGUMENT,
                strata_wait(consumer, generation, &longer.known, &result, &error));
    CHECK(strstr(error.message, "does not know") != NULL);
    longer.known.struct_size = 0;
    CHECK_FAILS(STRATA_INVALID_ARGUMENT,
                strata_wait(consumer, generation, &longer.known, &result, &error));
    longer.known.struct_size = UINT32_MAX;
    CHECK_FAILS(STRATA_INVALID_ARGUMENT,
                strata_wait(consumer, generation, &longer.known, &result, &error));

    /* Results: as much as fits, nothing behind it; zeros where this library knows less. */
    struct old_snapshot_info shorter = {16, 0, 0, 123};
    CHECK_OK(strata_snapshot_describe(snapshot, (strata_snapshot_info*)(void*)&shorter, &error));
    CHECK(shorter.generation == generation && shorter.not_of_the_struct == 123);
    CHECK(shorter.struct_size == 16);
    struct new_snapshot_info newer = {STRATA_SNAPSHOT_INFO_INIT, 456, 789};
    newer.known.struct_size = offsetof(struct new_snapshot_info, not_of_the_struct);
    CHECK_OK(strata_snapshot_describe(snapshot, &newer.known, &error));
    CHECK(newer.known.generation == generation && newer.future == 0);
    CHECK(newer.not_of_the_struct == 789);

    /* Errors: the text of an older, shorter one is cut and terminated. One that was not set up does
     * not hide the status. */
    struct old_error small = {.struct_size = sizeof small};
    memset(small.message, 'x', sizeof small.message);
    CHECK(strata_attach(NULL, 1, NULL, &none, (strata_error*)(void*)&small) ==
          STRATA_INVALID_ARGUMENT);
    CHECK(small.code == STRATA_INVALID_ARGUMENT && strcmp(small.message, "strata_attach: ") == 0);
    struct old_error unset = {.struct_size = 0, .code = 5};
    CHECK(strata_attach(NULL, 1, NULL, &none, (strata_error*)(void*)&unset) ==
          STRATA_INVALID_ARGUMENT);
    CHECK(unset.code == 5);

    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("sizes", 5, base_path(), &error));
}
