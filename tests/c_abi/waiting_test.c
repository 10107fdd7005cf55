/* SPDX-License-Identifier: Apache-2.0 */
/* Waiting, with all its outcomes, the event descriptor, and watches. */
#define _POSIX_C_SOURCE 200809L
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

struct waiter {
    strata_consumer* consumer;
    uint64_t seen;
    strata_wait_options options;
    strata_status status;
    enum strata_wait_result result;
};

static void* wait_in_thread(void* argument) {
    struct waiter* w = argument;
    w->status = strata_wait(w->consumer, w->seen, &w->options, &w->result, NULL);
    return NULL;
}

static void waits_end_for_every_reason(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("wait");
    const uint64_t generation = publish(producer, 1, 1, "one");
    strata_consumer* consumer = attach("wait");
    strata_wait_options options = STRATA_WAIT_OPTIONS_INIT;
    enum strata_wait_result result = STRATA_WAIT_CANCELLED;

    CHECK_OK(strata_wait(consumer, generation - 1, NULL, &result, &error));
    CHECK(result == STRATA_WAIT_CHANGED);
    options.has_timeout = 1;
    CHECK_OK(strata_wait(consumer, generation, &options, &result, &error));
    CHECK(result == STRATA_WAIT_TIMEOUT);
    options.timeout_ns = -1;
    CHECK_FAILS(STRATA_INVALID_ARGUMENT,
                strata_wait(consumer, generation, &options, &result, &error));

    /* A thread that waits for ever is woken by a commit, and another one by a cancellation. */
    struct waiter waiter = {.consumer = consumer, .seen = generation};
    pthread_t thread;
    waiter.options = (strata_wait_options)STRATA_WAIT_OPTIONS_INIT;
    CHECK(pthread_create(&thread, NULL, wait_in_thread, &waiter) == 0);
    publish(producer, 1, 1, "two");
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(waiter.status == STRATA_OK && waiter.result == STRATA_WAIT_CHANGED);

    CHECK_OK(strata_cancellation_new(&waiter.options.cancellation, &error));
    waiter.options.wait_for_producer = 1;
    waiter.seen = strata_generation(consumer);
    CHECK(pthread_create(&thread, NULL, wait_in_thread, &waiter) == 0);
    strata_cancellation_request(waiter.options.cancellation);
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(waiter.status == STRATA_OK && waiter.result == STRATA_WAIT_CANCELLED);
    CHECK_OK(strata_wait(consumer, waiter.seen, &waiter.options, &result, &error));
    CHECK(result == STRATA_WAIT_CANCELLED); /* a request stays */
    strata_cancellation_free(waiter.options.cancellation);

    strata_producer_close(producer);
    CHECK_OK(strata_wait(consumer, waiter.seen, NULL, &result, &error));
    CHECK(result == STRATA_WAIT_PRODUCER_GONE);
    CHECK_OK(strata_remove_store("wait", 4, base_path(), &error));
    CHECK_OK(strata_wait(consumer, waiter.seen, NULL, &result, &error));
    CHECK(result == STRATA_WAIT_STORE_REPLACED);

    /* Another store under the name. */
    producer = produce("wait");
    publish(producer, 1, 1, "anew");
    CHECK_OK(strata_reattach(consumer, &error));
    strata_snapshot* snapshot = snapshot_of(consumer);
    strata_layer layer;
    CHECK_OK(strata_find(snapshot, 1, 1, &layer, &error));
    CHECK(layer_is(&layer, "anew"));
    strata_snapshot_release(snapshot);
    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("wait", 4, base_path(), &error));
}

static bool readable(int descriptor, int timeout_ms) {
    struct pollfd poll_for = {.fd = descriptor, .events = POLLIN};
    return poll(&poll_for, 1, timeout_ms) == 1 && (poll_for.revents & POLLIN) != 0;
}

static void the_descriptor_tells_of_generations(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("events");
    publish(producer, 1, 1, "one");
    strata_consumer* consumer = attach("events");
    int descriptor = -1;
    uint64_t generation = 0;
    CHECK_OK(strata_event_descriptor(consumer, &descriptor, &error));
    CHECK(!readable(descriptor, 0));
    const uint64_t published = publish(producer, 1, 1, "two");
    CHECK(readable(descriptor, 60000));
    CHECK_OK(strata_acknowledge_event(consumer, &generation, &error));
    CHECK(generation == published && !readable(descriptor, 0));
    strata_producer_close(producer);
    CHECK(readable(descriptor, 60000)); /* the producer is gone */
    CHECK_OK(strata_acknowledge_event(consumer, NULL, &error));
    strata_detach(consumer);
    CHECK_OK(strata_remove_store("events", 6, base_path(), &error));
}

static void a_watch_tells_of_stores_that_appear(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_store_watch* watch = NULL;
    int descriptor = -1;
    int present = -1;
    CHECK_OK(strata_store_watch_open("watched", 7, base_path(), &watch, &error));
    CHECK_OK(strata_store_watch_descriptor(watch, &descriptor, &error));
    CHECK_OK(strata_store_watch_present(watch, &present, &error));
    CHECK(present == 0 && !readable(descriptor, 0));
    const pid_t child = fork();
    if (child == 0) {
        strata_producer_close(produce("watched"));
        _exit(0);
    }
    while (present == 0) {
        CHECK(readable(descriptor, 60000));
        CHECK_OK(strata_store_watch_present(watch, &present, &error));
    }
    CHECK(present == 1);
    strata_detach(attach("watched"));
    CHECK(waitpid(child, NULL, 0) == child);
    CHECK_OK(strata_remove_store("watched", 7, base_path(), &error));
    CHECK_OK(strata_store_watch_present(watch, &present, &error));
    CHECK(present == 0);
    strata_store_watch_close(watch);

    watch = NULL;
    CHECK_FAILS(STRATA_INVALID_NAME,
                strata_store_watch_open("a/b", 3, base_path(), &watch, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT,
                strata_store_watch_open(NULL, 1, base_path(), &watch, &error));
    CHECK(watch == NULL);
    CHECK_FAILS(STRATA_INVALID_ARGUMENT,
                strata_store_watch_open("a", 1, base_path(), NULL, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_store_watch_present(NULL, &present, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_store_watch_descriptor(NULL, &descriptor, &error));
    strata_store_watch_close(NULL);
}

static void attaching_waits_for_the_store(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_attach_options options = STRATA_ATTACH_OPTIONS_INIT;
    strata_consumer* consumer = NULL;
    options.base_path = base_path();
    options.wait_for_store_ms = 1;
    CHECK_FAILS(STRATA_STORE_NOT_FOUND, strata_attach("late", 4, &options, &consumer, &error));
    CHECK(consumer == NULL);
    options.wait_for_store_ms = UINT64_MAX; /* any number will do */
    const pid_t child = fork();
    if (child == 0) {
        strata_producer* producer = produce("late");
        publish(producer, 1, 1, "here");
        strata_producer_close(producer);
        _exit(0);
    }
    CHECK_OK(strata_attach("late", 4, &options, &consumer, &error));
    CHECK(strata_generation(consumer) >= 1);
    CHECK(waitpid(child, NULL, 0) == child);
    strata_detach(consumer);
    CHECK_OK(strata_remove_store("late", 4, base_path(), &error));
}

void test_waiting(void) {
    waits_end_for_every_reason();
    the_descriptor_tells_of_generations();
    a_watch_tells_of_stores_that_appear();
    attaching_waits_for_the_store();
}
