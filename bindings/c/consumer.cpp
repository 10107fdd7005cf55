// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <stop_token>

#include "handles.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

struct strata_cancellation {
    std::stop_source source;
};

namespace {

// Longer waits are waits for ever; std::chrono's sums stay in range.
constexpr uint64_t longest_wait_ms = uint64_t{1} << 40;

strata::ConsumerOptions consumer_options(const strata_attach_options* options) {
    const strata_attach_options given = options_of(options);
    strata::ConsumerOptions out;
    out.base_path = base_of(given.base_path);
    out.wait_for_store = std::chrono::milliseconds(
        static_cast<int64_t>(std::min(given.wait_for_store_ms, longest_wait_ms)));
    out.trusted_owner = static_cast<strata::TrustedOwner>(enum_of(
        given.trusted_owner, STRATA_TRUST_USER, "trusted_owner is no strata_trusted_owner"));
    out.owner = given.owner;
    out.keep_idle_pin = given.no_idle_pin == 0;
    if (given.lookup_cache_bytes != 0) {
        out.lookup_cache_bytes =
            given.lookup_cache_bytes == STRATA_NO_LOOKUP_CACHE ? 0 : given.lookup_cache_bytes;
    }
    return out;
}

static_assert(static_cast<int>(strata::TrustedOwner::self_or_root) == STRATA_TRUST_SELF_OR_ROOT &&
              static_cast<int>(strata::TrustedOwner::anybody) == STRATA_TRUST_ANYBODY &&
              static_cast<int>(strata::TrustedOwner::user) == STRATA_TRUST_USER);
static_assert(static_cast<int>(strata::WaitResult::changed) == STRATA_WAIT_CHANGED &&
              static_cast<int>(strata::WaitResult::timeout) == STRATA_WAIT_TIMEOUT &&
              static_cast<int>(strata::WaitResult::producer_gone) == STRATA_WAIT_PRODUCER_GONE &&
              static_cast<int>(strata::WaitResult::store_replaced) == STRATA_WAIT_STORE_REPLACED &&
              static_cast<int>(strata::WaitResult::cancelled) == STRATA_WAIT_CANCELLED);

}  // namespace

strata_status strata_attach(const char* name, size_t name_size,
                            const strata_attach_options* options, strata_consumer** consumer,
                            strata_error* error) {
    return guarded(__func__, error, [&] {
        need(consumer, "consumer is NULL");
        *consumer = new strata_consumer{strata::Consumer::attach(
            text_of(name, name_size, "name is NULL"), consumer_options(options))};
    });
}

void strata_detach(strata_consumer* consumer) { delete consumer; }

strata_status strata_reattach(strata_consumer* consumer, strata_error* error) {
    return guarded(__func__, error,
                   [&] { need(consumer, "consumer is NULL")->consumer.reattach(); });
}

uint64_t strata_generation(const strata_consumer* consumer) {
    return consumer == nullptr ? 0 : consumer->consumer.generation();
}

strata_status strata_durable_generation(const strata_consumer* consumer, uint64_t* generation,
                                        strata_error* error) {
    return guarded(__func__, error, [&] {
        need(generation, "generation is NULL");
        *generation = need(consumer, "consumer is NULL")->consumer.durable_generation();
    });
}

strata_status strata_retained(const strata_consumer* consumer, uint64_t* oldest, uint64_t* newest,
                              strata_error* error) {
    return guarded(__func__, error, [&] {
        const auto [from, to] = need(consumer, "consumer is NULL")->consumer.retained();
        *need(oldest, "oldest is NULL") = from;
        *need(newest, "newest is NULL") = to;
    });
}

strata_status strata_wait(strata_consumer* consumer, uint64_t seen,
                          const strata_wait_options* options, enum strata_wait_result* result,
                          strata_error* error) {
    return guarded(__func__, error, [&] {
        need(consumer, "consumer is NULL");
        need(result, "result is NULL");
        const strata_wait_options given = options_of(options);
        strata::WaitOptions wait;
        wait.wait_for_producer = given.wait_for_producer != 0;
        if (given.has_timeout != 0) {
            if (given.timeout_ns < 0) {
                throw BadArgument{"timeout_ns is negative; to wait for ever, leave has_timeout 0"};
            }
            wait.timeout = std::chrono::nanoseconds(given.timeout_ns);
        }
        if (given.cancellation != nullptr) {
            wait.stop = given.cancellation->source.get_token();
        }
        *result = static_cast<enum strata_wait_result>(consumer->consumer.wait(seen, wait));
    });
}

strata_status strata_cancellation_new(strata_cancellation** cancellation, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(cancellation, "cancellation is NULL");
        *cancellation = new strata_cancellation;
    });
}

void strata_cancellation_request(strata_cancellation* cancellation) {
    if (cancellation != nullptr) {
        cancellation->source.request_stop();
    }
}

void strata_cancellation_free(strata_cancellation* cancellation) { delete cancellation; }

strata_status strata_event_descriptor(strata_consumer* consumer, int* descriptor,
                                      strata_error* error) {
    return guarded(__func__, error, [&] {
        need(descriptor, "descriptor is NULL");
        *descriptor = need(consumer, "consumer is NULL")->consumer.event_descriptor();
    });
}

strata_status strata_acknowledge_event(strata_consumer* consumer, uint64_t* generation,
                                       strata_error* error) {
    return guarded(__func__, error, [&] {
        give(generation, need(consumer, "consumer is NULL")->consumer.acknowledge_event());
    });
}

strata_status strata_producer_pid(const strata_consumer* consumer, int64_t* pid,
                                  strata_error* error) {
    return guarded(__func__, error, [&] {
        need(pid, "pid is NULL");
        *pid = need(consumer, "consumer is NULL")->consumer.producer_pid().value_or(0);
    });
}

strata_status strata_store_replaced(const strata_consumer* consumer, int* replaced,
                                    strata_error* error) {
    return guarded(__func__, error, [&] {
        need(replaced, "replaced is NULL");
        *replaced = need(consumer, "consumer is NULL")->consumer.store_replaced() ? 1 : 0;
    });
}

strata_status strata_consumer_describe(const strata_consumer* consumer,
                                       strata_consumer_statistics* statistics,
                                       strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::ConsumerStatistics known =
            need(consumer, "consumer is NULL")->consumer.statistics();
        strata_consumer_statistics out{};
        out.lookup_cache_bytes = known.lookup_cache_bytes;
        out.lookup_cache_limit = known.lookup_cache_limit;
        out.cached_dimensions = known.cached_dimensions;
        out.cached_lists = known.cached_lists;
        out.mapped_regions = known.mapped_regions;
        give_struct(need(statistics, "statistics is NULL"), out);
    });
}
