// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>

#include "handles.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

namespace {

constexpr uint64_t longest_wait_ms = uint64_t{1} << 40;
// Whatever is longer is for ever: 292 years.
constexpr uint64_t longest_retention_ns = std::numeric_limits<int64_t>::max();

static_assert(static_cast<int>(strata::SlowReaderPolicy::fail) == STRATA_SLOW_READERS_FAIL &&
              static_cast<int>(strata::SlowReaderPolicy::wait) == STRATA_SLOW_READERS_WAIT &&
              static_cast<int>(strata::SlowReaderPolicy::relocate) == STRATA_SLOW_READERS_RELOCATE);

static_assert(
    static_cast<int>(strata::DurabilityPolicy::automatic) == STRATA_DURABILITY_AUTOMATIC &&
    static_cast<int>(strata::DurabilityPolicy::off) == STRATA_DURABILITY_OFF &&
    static_cast<int>(strata::DurabilityPolicy::background) == STRATA_DURABILITY_BACKGROUND &&
    static_cast<int>(strata::DurabilityPolicy::each_commit) == STRATA_DURABILITY_EACH_COMMIT);

template <class Options>
strata::FileAccess access_of(const Options& given) {
    strata::FileAccess access;
    if (given.access_mode != 0) {
        access.mode = given.access_mode;
    }
    if (given.has_access_group != 0) {
        access.group = given.access_group;
    }
    return access;
}

strata::ProducerOptions producer_options(const strata_producer_options& given) {
    strata::ProducerOptions out;
    const auto set = [](auto& to, auto value) {
        if (value != 0) {
            to = value;
        }
    };
    out.base_path = base_of(given.base_path);
    set(out.memory_limit, given.memory_limit);
    set(out.region_max_bytes, given.region_max_bytes);
    set(out.region_initial_bytes, given.region_initial_bytes);
    out.own_regions = given.own_regions != 0;
    out.retain = given.retain;
    out.retain_for = std::chrono::nanoseconds(
        static_cast<int64_t>(std::min(given.retain_for_ns, longest_retention_ns)));
    out.retain_bytes = given.retain_bytes;
    out.replace = given.open_mode == STRATA_REPLACE;
    set(out.warning_threshold, given.warning_threshold);
    out.access = access_of(given);
    out.slow_readers.policy = static_cast<strata::SlowReaderPolicy>(
        enum_of(given.slow_readers, STRATA_SLOW_READERS_RELOCATE,
                "slow_readers is no strata_slow_readers"));
    if (given.slow_readers_wait_ms != 0) {
        out.slow_readers.wait = std::chrono::milliseconds(
            static_cast<int64_t>(std::min(given.slow_readers_wait_ms, longest_wait_ms)));
    }
    out.durability.policy = static_cast<strata::DurabilityPolicy>(enum_of(
        given.durability, STRATA_DURABILITY_EACH_COMMIT, "durability is no strata_durability"));
    if (given.durability_interval_ms != 0) {
        out.durability.interval = std::chrono::milliseconds(given.durability_interval_ms);
    }
    out.durability.every_generations = given.durability_generations;
    return out;
}

strata::DimensionOptions dimension_options(const strata_dimension_options* options) {
    const strata_dimension_options given = options_of(options);
    strata::DimensionOptions out;
    out.initial_bytes = given.initial_bytes;
    out.max_bytes = given.max_bytes;
    out.own_region = given.own_region != 0;
    if (given.access_mode != 0 || given.has_access_group != 0) {
        out.access = access_of(given);
    }
    return out;
}

}  // namespace

strata_status strata_produce(const char* name, size_t name_size,
                             const strata_producer_options* options, strata_producer** producer,
                             strata_error* error) {
    return guarded(__func__, error, [&] {
        need(producer, "producer is NULL");
        const std::string_view store = text_of(name, name_size, "name is NULL");
        const strata_producer_options given = options_of(options);
        const strata::ProducerOptions out = producer_options(given);
        switch (given.open_mode) {
            case STRATA_OPEN_OR_CREATE:
                *producer = new strata_producer{strata::Producer::open_or_create(store, out)};
                break;
            case STRATA_CREATE:
            case STRATA_REPLACE:
                *producer = new strata_producer{strata::Producer::create(store, out)};
                break;
            case STRATA_OPEN:
                *producer = new strata_producer{strata::Producer::open(store, out)};
                break;
            default: throw BadArgument{"open_mode is no strata_open_mode"};
        }
    });
}

void strata_producer_close(strata_producer* producer) { delete producer; }

uint64_t strata_producer_generation(const strata_producer* producer) {
    return producer == nullptr ? 0 : producer->producer.generation();
}

uint64_t strata_producer_durable_generation(const strata_producer* producer) {
    return producer == nullptr ? 0 : producer->producer.durable_generation();
}

strata_status strata_checkpoint(strata_producer* producer, uint64_t* generation,
                                strata_error* error) {
    return guarded(__func__, error, [&] {
        give(generation, uint64_t{need(producer, "producer is NULL")->producer.checkpoint()});
    });
}

strata_status strata_wait_durable(strata_producer* producer, uint64_t generation,
                                  strata_error* error) {
    return guarded(__func__, error,
                   [&] { need(producer, "producer is NULL")->producer.wait_durable(generation); });
}

strata_status strata_producer_describe(const strata_producer* producer,
                                       strata_producer_statistics* statistics,
                                       strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::ProducerStats known = need(producer, "producer is NULL")->producer.stats();
        strata_producer_statistics out{};
        out.generation = known.generation;
        out.memory_limit = known.memory_limit;
        out.committed_bytes = known.committed_bytes;
        out.live_bytes = known.live_bytes;
        out.limbo_bytes = known.limbo_bytes;
        out.layers = known.layers;
        out.dimensions = known.dimensions;
        out.commits = known.commits;
        out.allocation_failures = known.allocation_failures;
        give_struct(need(statistics, "statistics is NULL"), out);
    });
}

strata_status strata_set_memory_limit(strata_producer* producer, uint64_t bytes,
                                      strata_error* error) {
    return guarded(__func__, error,
                   [&] { need(producer, "producer is NULL")->producer.set_memory_limit(bytes); });
}

strata_status strata_trim(strata_producer* producer, uint64_t* bytes, strata_error* error) {
    return guarded(__func__, error, [&] {
        give(bytes, uint64_t{need(producer, "producer is NULL")->producer.trim()});
    });
}

strata_status strata_add_dimension(strata_producer* producer, uint32_t dimension, const char* name,
                                   size_t name_size, const strata_dimension_options* options,
                                   uint64_t* generation, strata_error* error) {
    return guarded(__func__, error, [&] {
        strata::DimensionOptions out = dimension_options(options);
        out.name = text_of(name, name_size, "name is NULL");
        give(generation,
             need(producer, "producer is NULL")->producer.add_dimension(dimension, out));
    });
}

strata_status strata_move_dimension(strata_producer* producer, uint32_t dimension,
                                    const strata_dimension_options* options, uint64_t* generation,
                                    strata_error* error) {
    return guarded(__func__, error, [&] {
        const strata::DimensionOptions out = dimension_options(options);
        give(generation,
             need(producer, "producer is NULL")->producer.move_dimension(dimension, out));
    });
}

strata_status strata_add_core_dimensions(strata_producer* producer, uint64_t* generation,
                                         strata_error* error) {
    return guarded(__func__, error, [&] {
        give(generation, need(producer, "producer is NULL")->producer.add_core_dimensions());
    });
}
