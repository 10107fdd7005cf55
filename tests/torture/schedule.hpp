// SPDX-License-Identifier: Apache-2.0
// Who is killed, when and where: pure functions of the seed, so that a seed replays all decisions.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "tests/torture/arguments.hpp"
#include "tests/torture/ledger.hpp"

namespace strata::test {

using Microseconds = std::chrono::microseconds;

/// How a process is to end.
struct Death {
    std::string point{};  ///< at a crash point, when it comes there for the `hit`-th time
    std::uint64_t hit = 0;
    std::optional<Microseconds> after{};  ///< or so long after its start
    // Neither: of its own accord.
};

/// One producer's life.
struct Round {
    Place place = Place::steady;
    std::uint64_t seed = 0;
    std::uint64_t steps = 0;
    Death death{};
    std::optional<Microseconds> stop_after{};  ///< SIGSTOP, ...
    Microseconds stop_for{0};                  ///< ... and SIGCONT so much later
    // What happens to a consumer meanwhile.
    enum class Blow : unsigned char { none, kill, stop };
    Blow blow = Blow::none;
    unsigned victim = 0;  ///< slot of that consumer
    Microseconds blow_after{0};
    std::uint64_t rounds_stopped = 0;
};

/// One consumer's life.
struct Visit {
    std::string role = "consume";
    Place place = Place::steady;
    std::uint64_t seed = 0;
    std::uint64_t looks = 0;  ///< or backups
    Death death{};            ///< at a crash point or of its own accord
};

/// The last one makes backups.
inline constexpr unsigned consumer_slots = with_backups ? 6 : 5;

Round round_of(std::uint64_t seed, std::uint64_t number);
Visit visit_of(std::uint64_t seed, unsigned slot, std::uint64_t number);

}  // namespace strata::test
