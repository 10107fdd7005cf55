// SPDX-License-Identifier: Apache-2.0
// Starts the victims, kills, stops and continues them as the schedule says, and keeps count.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <sys/types.h>
#include <vector>

#include "tests/torture/arguments.hpp"
#include "tests/torture/ledger.hpp"
#include "tests/torture/schedule.hpp"

namespace strata::test {

/// What the driver itself has seen.
struct Tally {
    std::uint64_t rounds = 0;
    std::uint64_t producer_kills = 0;  ///< deaths by SIGKILL, wherever
    std::uint64_t consumer_kills = 0;
    std::uint64_t child_kills = 0;  ///< forked consumers
    std::uint64_t producers_started = 0;
    std::uint64_t consumers_started = 0;
    std::uint64_t orderly_ends = 0;  ///< of producers and consumers
    std::uint64_t stops = 0;
    std::uint64_t balances = 0;
    std::uint64_t leftovers = 0;  ///< hidden directories of creators that died, removed by hand
    std::uint64_t leaked_bytes = 0;
    std::uint64_t most_committed_percent = 0;  ///< of live + fixed part, at a balance

    std::uint64_t kills() const noexcept { return producer_kills + consumer_kills + child_kills; }
};

class Driver {
public:
    Driver(std::filesystem::path base, std::uint64_t seed);
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;
    /// Kills what is left.
    ~Driver();

    /// The next round; false when something is wrong.
    bool run_round();
    /// All consumers away; is the memory back? False when something is wrong.
    bool draw_balance();

    const Tally& tally() const noexcept { return tally_; }
    Ledger& ledger() noexcept { return ledger_; }
    /// What is wrong, if anything.
    const std::vector<std::string>& findings() const noexcept { return findings_; }

private:
    using Clock = std::chrono::steady_clock;
    struct Consumer {
        pid_t pid = -1;
        std::uint64_t visits = 0;
        std::uint64_t stopped_until = 0;  ///< round; 0: it runs
    };

    pid_t start(const Orders& orders, bool with_crash_points);
    pid_t start_producer(const Orders& orders, bool with_crash_points);
    void start_consumer(unsigned slot);
    void start_missing_consumers();
    void strike(const Round& round);
    void reap();
    void buried(pid_t pid, int status);
    void await_child(Clock::time_point until);
    bool await_producer(const Round& round, Clock::time_point begun);
    bool await_end_of_producer(std::string_view role);
    void balance(Place place);
    void judge_balance(Place place);
    void clear_brief();
    std::size_t children() const;
    std::uint64_t progress() const noexcept;
    void wrong(std::string text);

    std::filesystem::path base_;
    std::uint64_t seed_;
    int ledger_file_;
    Ledger& ledger_;
    Tally tally_;
    std::vector<std::string> findings_;
    pid_t producer_ = -1;
    std::array<Consumer, consumer_slots> consumers_{};
    bool no_consumers_ = true;
};

}  // namespace strata::test
