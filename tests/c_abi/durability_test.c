/* SPDX-License-Identifier: Apache-2.0 */
/* Durable generations, asked for and by policy, as producer and consumers see them. */
#define _POSIX_C_SOURCE 200809L
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static uint64_t durable(const strata_consumer* consumer) {
    strata_error error = STRATA_ERROR_INIT;
    uint64_t generation = 0;
    CHECK_OK(strata_durable_generation(consumer, &generation, &error));
    return generation;
}

static void a_checkpoint_makes_the_newest_generation_durable(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer* producer = produce("durable");
    strata_consumer* consumer = attach("durable");
    uint64_t told = 0;
    const uint64_t first = publish(producer, 1, 1, "one");
    CHECK(strata_producer_durable_generation(producer) == 0 && durable(consumer) == 0);
    CHECK_OK(strata_checkpoint(producer, &told, &error));
    CHECK(told == first);
    CHECK(strata_producer_durable_generation(producer) == first && durable(consumer) == first);
    const uint64_t second = publish(producer, 1, 1, "two");
    CHECK_OK(strata_wait_durable(producer, first, &error));
    CHECK(durable(consumer) == first);
    CHECK_OK(strata_wait_durable(producer, second, &error));
    CHECK(durable(consumer) == second);
    CHECK_OK(strata_checkpoint(producer, NULL, &error)); /* nothing new */

    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_wait_durable(producer, second + 1, &error));
    CHECK(strstr(error.message, "generation") != NULL && error.operation[0] != '\0');
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_wait_durable(NULL, 1, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_checkpoint(NULL, &told, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_durable_generation(consumer, NULL, &error));
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_durable_generation(NULL, &told, &error));
    CHECK(strata_producer_durable_generation(NULL) == 0);

    const pid_t child = fork();
    if (child == 0) { /* which cannot produce */
        _exit(strata_checkpoint(producer, NULL, NULL) == STRATA_WRONG_PROCESS &&
                      strata_wait_durable(producer, second, NULL) == STRATA_WRONG_PROCESS
                  ? 0
                  : 1);
    }
    int status = 1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child && status == 0);

    strata_detach(consumer);
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("durable", 7, base_path(), &error));
}

static void a_policy_does_it_unasked(void) {
    strata_error error = STRATA_ERROR_INIT;
    strata_producer_options options = STRATA_PRODUCER_OPTIONS_INIT;
    strata_producer* producer = NULL;
    options.base_path = base_path();
    options.open_mode = STRATA_CREATE;
    options.durability = STRATA_DURABILITY_EACH_COMMIT;
    CHECK_OK(strata_produce("policy", 6, &options, &producer, &error));
    for (int i = 0; i < 3; ++i) {
        const uint64_t generation = publish(producer, 1, 1, "each");
        CHECK(strata_producer_durable_generation(producer) == generation);
    }
    strata_producer_close(producer);

    options.open_mode = STRATA_OPEN;
    options.durability = STRATA_DURABILITY_BACKGROUND;
    options.durability_interval_ms = UINT32_MAX; /* by number alone */
    options.durability_generations = 1;
    CHECK_OK(strata_produce("policy", 6, &options, &producer, &error));
    const uint64_t generation = publish(producer, 1, 1, "in the background");
    while (strata_producer_durable_generation(producer) < generation)
        sched_yield();
    strata_producer_close(producer);

    options.durability = STRATA_DURABILITY_OFF;
    CHECK_OK(strata_produce("policy", 6, &options, &producer, &error));
    const uint64_t before = strata_producer_durable_generation(producer);
    CHECK(before >= generation); /* what is durable stays it */
    publish(producer, 1, 1, "not asked for");
    CHECK(strata_producer_durable_generation(producer) == before);
    strata_producer_close(producer);

    options.durability = STRATA_DURABILITY_EACH_COMMIT + 1;
    CHECK_FAILS(STRATA_INVALID_ARGUMENT, strata_produce("policy", 6, &options, &producer, &error));
    CHECK(strstr(error.message, "strata_durability") != NULL);
    options.struct_size = offsetof(strata_producer_options, durability); /* an older header's */
    CHECK_OK(strata_produce("policy", 6, &options, &producer, &error));
    strata_producer_close(producer);
    CHECK_OK(strata_remove_store("policy", 6, base_path(), &error));
}

void test_durability(void) {
    a_checkpoint_makes_the_newest_generation_durable();
    a_policy_does_it_unasked();
}
