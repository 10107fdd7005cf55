// SPDX-License-Identifier: Apache-2.0
// Timing a Reader for one round, with every answer checked.
#pragma once

#include <memory>
#include <string>

#include "bench/harness/clock.hpp"
#include "bench/harness/context.hpp"
#include "bench/harness/workload.hpp"
#include "bench/peers/reader.hpp"

namespace strata::bench {

/// ns per look-up of independent keys.
inline double time_sums(const std::string& who, Reader& reader, const KeyStream& keys,
                        std::size_t& chunk, double seconds) {
    const Stopwatch watch;
    const auto budget_ns = static_cast<std::int64_t>(seconds * 1e9);
    std::size_t chunks = 0;
    std::int64_t spent = 0;
    do {
        check_sum(who, reader.sum(keys.keys(chunk)), keys.expected(chunk));
        chunk = (chunk + 1) % keys.chunks();
        ++chunks;
        spent = watch.ns();
    } while (spent < budget_ns);
    return static_cast<double>(spent) / static_cast<double>(chunks * KeyStream::chunk_keys);
}

/// ns per look-up of a chain. The expected sums are computed outside of the time.
inline double time_chain(const std::string& who, Reader& reader, std::uint64_t layers,
                         std::uint64_t& seed, double seconds) {
    constexpr std::size_t steps = 4096;
    std::int64_t spent = 0;
    std::size_t chains = 0;
    while (spent < static_cast<std::int64_t>(seconds * 1e9)) {
        const std::uint64_t start = reduce(mix(seed++), layers);
        const std::uint64_t expected = expected_chain(start, steps, layers);
        const Stopwatch watch;
        const std::uint64_t sum = reader.chase(start, steps, layers);
        spent += watch.ns();
        check_sum(who, sum, expected);
        ++chains;
    }
    return static_cast<double>(spent) / static_cast<double>(chains * steps);
}

/// An entrant from a Reader that is made at the first round (so that what it throws counts as not
/// run). A round that does not count comes first: caches, page tables, the look-up cache.
inline Entrant sums_entrant(const Context& context, std::string who, Role role,
                            std::function<std::unique_ptr<Reader>()> make, const KeyStream& keys) {
    struct State {
        std::unique_ptr<Reader> reader{};
        std::size_t chunk = 0;
    };
    return {who, role,
            [who, make = std::move(make), &keys, seconds = context.round_seconds(),
             state = std::make_shared<State>()] {
                if (!state->reader) {
                    state->reader = make();
                    time_sums(who, *state->reader, keys, state->chunk, seconds);
                }
                return time_sums(who, *state->reader, keys, state->chunk, seconds);
            }};
}

inline Entrant chain_entrant(const Context& context, std::string who, Role role,
                             std::function<std::unique_ptr<Reader>()> make, std::uint64_t layers) {
    struct State {
        std::unique_ptr<Reader> reader{};
        std::uint64_t seed = 1;
    };
    return {who, role,
            [who, make = std::move(make), layers, seconds = context.round_seconds(),
             state = std::make_shared<State>()] {
                if (!state->reader) {
                    state->reader = make();
                    time_chain(who, *state->reader, layers, state->seed, seconds);
                }
                return time_chain(who, *state->reader, layers, state->seed, seconds);
            }};
}

}  // namespace strata::bench
