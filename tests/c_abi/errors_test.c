/* SPDX-License-Identifier: Apache-2.0 */
/* Misuse is a status, never a crash, and an error says what is wrong. */
#include "check.h"

static void errors_are_filled(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_attach_options options = STRATA_ATTACH_OPTIONS_INIT;
    strata_consumer* consumer = NULL;
    options.base_path = base_path();
    CHECK(strata_attach("none", 4, &options, &consumer, NULL) == STRATA_STORE_NOT_FOUND);
    CHECK_FAILS(STRATA_STORE_NOT_FOUND, strata_attach("none", 4, &options, &consumer, &error));
    CHECK(error.code == STRATA_STORE_NOT_FOUND && error.struct_size == sizeof error);
    CHECK(strstr(error.message, "none") != NULL && strstr(error.operation, "attach") != NULL);
    CHECK(strstr(error.path, base_path()) != NULL && error.hint[0] != '\0');
    CHECK(strstr(error.message, "::") == NULL && strstr(error.hint, "::") == NULL);
    CHECK_FAILS(STRATA_INVALID_NAME, strata_attach("../x", 4, &options, &consumer, &error));
    CHECK_FAILS(STRATA_INVALID_NAME, strata_attach("", 0, &options, &consumer, &error));
    CHECK_FAILS(STRATA_INVALID_NAME, strata_attach("a\0b", 3, &options, &consumer, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_attach(NULL, 4, &options, &consumer, &error));
    CHECK(strcmp(error.message, "strata_attach: name is NULL") == 0);
    options.trusted_owner = 3;
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_attach("none", 4, &options, &consumer, &error));
    CHECK(consumer == NULL);
}

/* Whatever may be NULL is; each of these would crash if it were used. */
static void null_is_refused(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("null");
    strata_consumer* consumer = attach("null");
    strata_snapshot* snapshot = snapshot_of(consumer);
    strata_batch* batch = NULL;
    strata_layer layer = {NULL, 0, 0};
    strata_layer_info info = STRATA_LAYER_INFO_INIT;
    strata_layer_options layer_options = STRATA_LAYER_OPTIONS_INIT;
    const uint64_t number = 1;
    uint64_t row = 0;
    size_t count = 0;
    CHECK_OK(strata_batch_new(producer, &batch, &error));
#define REFUSED(call) CHECK_FAILS(STRATA_INVALID_ARGUMENT, call)
    REFUSED(strata_attach("null", 4, NULL, NULL, &error));
    REFUSED(strata_reattach(NULL, &error));
    REFUSED(strata_wait(NULL, 0, NULL, &(enum strata_wait_result){0}, &error));
    REFUSED(strata_wait(consumer, 0, NULL, NULL, &error));
    REFUSED(strata_snapshot_take(NULL, &snapshot, &error));
    REFUSED(strata_snapshot_take(consumer, NULL, &error));
    REFUSED(strata_find(NULL, 1, 1, &layer, &error));
    REFUSED(strata_find(snapshot, 1, 1, NULL, &error));
    REFUSED(strata_find_name(snapshot, 1, NULL, 1, &layer, &error));
    REFUSED(strata_find_in(snapshot, 1, NULL, 1, &layer, &error));
    REFUSED(strata_find_in(snapshot, 1, &number, 1, NULL, &error));
    REFUSED(strata_find_many(NULL, NULL, 0, NULL, &error));
    REFUSED(strata_gather(snapshot, 1, NULL, 1, &row, 8, NULL, NULL, &error));
    REFUSED(strata_gather(snapshot, 1, &number, 1, NULL, 8, NULL, NULL, &error));
    REFUSED(strata_layer_describe(NULL, &info, &error));
    REFUSED(strata_layer_describe(&layer, &info, &error)); /* of no layer */
    REFUSED(strata_layer_verify(&layer, &error));
    REFUSED(strata_layer_keywords(&layer, 0, NULL, 0, &count, &error));
    REFUSED(strata_changes_between(NULL, NULL, NULL, &error));
    REFUSED(strata_cursor_open(NULL, 1, NULL, &error));
    REFUSED(strata_cursor_next(NULL, NULL, NULL, 0, &count, &error));
    REFUSED(strata_verify(NULL, NULL, NULL, &error));
    REFUSED(strata_inspect("null", 4, base_path(), NULL, &error));
    REFUSED(strata_list_stores(base_path(), NULL, &error));
    REFUSED(strata_batch_new(NULL, &batch, &error));
    REFUSED(strata_put(NULL, 1, 1, "", 0, NULL, &error));
    REFUSED(strata_put(batch, 1, 1, NULL, 1, NULL, &error));
    REFUSED(strata_loan(batch, 1, 1, 1, NULL, NULL, &error));
    REFUSED(strata_loan_name(batch, 1, NULL, 1, 1, NULL, &(void*){NULL}, NULL, &error));
    REFUSED(strata_loan_name(batch, 1, "n", 1, 1, NULL, NULL, NULL, &error));
    REFUSED(strata_batch_dimension(batch, NULL, 1, &(uint32_t){0}, &error));
    REFUSED(strata_batch_dimension(batch, "n", 1, NULL, &error));
    REFUSED(strata_layer_expect(&layer, NULL, &error));
    REFUSED(strata_type_tag_text(0, NULL, NULL, &error));
    REFUSED(strata_crystallize(NULL, NULL, &error));
    layer_options.keyword_count = 1;
    REFUSED(strata_put(batch, 1, 1, "", 0, &layer_options, &error));
    layer_options.keyword_count = 0;
    layer_options.alignment = 48;
    REFUSED(strata_put(batch, 1, 1, "", 0, &layer_options, &error));
    CHECK(strata_batch_size(batch) == 0);
#undef REFUSED
    CHECK(strata_generation(NULL) == 0 && strata_snapshot_generation(NULL) == 0);
    CHECK(strata_changes_size(NULL) == 0 && strata_changes_data(NULL) == NULL);
    CHECK(strata_type_tag(NULL) == 0 && strata_type_tag(&(strata_type){NULL, 1, 1, 1, 0, 0}) == 0);
    CHECK(strata_snapshot_ref(NULL) == NULL && strata_layer_number(NULL, 3) == 0);
    strata_detach(NULL);
    strata_snapshot_release(NULL);
    strata_changes_free(NULL);
    strata_cursor_close(NULL);
    strata_verification_free(NULL);
    strata_dimension_list_free(NULL);
    strata_store_list_free(NULL);
    strata_cancellation_request(NULL);
    strata_cancellation_free(NULL);
    strata_batch_free(NULL);
    strata_batch_clear(NULL);
    strata_producer_close(NULL);
    strata_free(NULL);

    strata_batch_free(batch);
    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("null", 4, base_path(), &error));
}

static void names_and_versions(void) {
    CHECK(strcmp(strata_status_name(STRATA_OK), "ok") == 0);
    CHECK(strcmp(strata_status_name(STRATA_LIMIT_EXCEEDED), "limit_exceeded") == 0);
    CHECK(strcmp(strata_status_name(STRATA_WOULD_DEADLOCK), "would_deadlock") == 0);
    CHECK(strcmp(strata_status_name(STRATA_OUT_OF_MEMORY), "out_of_memory") == 0);
    CHECK(strcmp(strata_status_name(STRATA_INTERNAL), "internal") == 0);
    CHECK(strcmp(strata_status_name(999), "unknown") == 0);
    CHECK(strcmp(strata_status_name(-1), "unknown") == 0);
    CHECK(strcmp(strata_version(), STRATA_TEST_VERSION) == 0);
    CHECK(strata_abi_version() == STRATA_TEST_SOVERSION);
}

void test_errors(void) {
    errors_are_filled();
    null_is_refused();
    names_and_versions();
}
