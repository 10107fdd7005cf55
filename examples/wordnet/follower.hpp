// SPDX-License-Identifier: Apache-2.0
// Follows a store from generation to generation, through deaths and returns of its producer.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wordnet/events.hpp"
#include "wordnet/source.hpp"
#include "wordnet/verifier.hpp"
#include <strata/consumer.hpp>
#include <strata/snapshot.hpp>

namespace wordnet {

struct FollowOptions {
    bool watch = false;
    bool verify = false;
    std::filesystem::path source = "/usr/share/wordnet";
    // When to end; a signal ends it in any case.
    std::optional<std::uint64_t> generations{};
    std::optional<std::uint64_t> until_generation{};
    std::optional<std::chrono::milliseconds> time{};
    std::chrono::milliseconds patience{30'000};
};

class Follower {
public:
    /// Reads the WordNet files if they are needed: throws SourceError.
    Follower(strata::Consumer& consumer, const FollowOptions& options, const StopSignal& stop);

    /// Returns when one of the reasons to end has come. Sleeps between generations.
    void run();

    std::uint64_t mismatches() const noexcept { return verifier_ ? verifier_->mismatches() : 0; }
    /// The counts as `consumer: key=value key=value ...`, or as a JSON object of the same keys.
    std::string summary() const;
    std::string summary_json() const;

private:
    using Clock = std::chrono::steady_clock;

    void look();
    bool attach_anew();
    void report_producer(bool alive);
    void take(strata::Snapshot now);
    void compare_whole();
    std::string_view reason_to_end() const;
    std::chrono::milliseconds time_to_wait() const;
    std::vector<std::pair<std::string_view, std::uint64_t>> counts() const;

    strata::Consumer& consumer_;
    const FollowOptions& options_;
    const StopSignal& stop_;
    std::optional<Source> source_;
    std::optional<Verifier> verifier_;

    strata::Snapshot seen_;
    Whole whole_;
    std::optional<Clock::time_point> deadline_;
    std::optional<Clock::time_point> gone_since_;  // no producer
    bool removed_ = false;                         // the store is, and no other stands there yet
    Clock::time_point next_whole_;
    std::string_view ended_by_;
    std::uint64_t generations_ = 0;
    std::uint64_t changes_ = 0;
    std::uint64_t wholes_ = 0;
    std::uint64_t producers_lost_ = 0;
    std::uint64_t stores_replaced_ = 0;
};

}  // namespace wordnet
