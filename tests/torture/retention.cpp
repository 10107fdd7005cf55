// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/retention.hpp"

#include <algorithm>

#include "tests/support/process.hpp"

namespace strata::test {

namespace {

/// More than what one generation retires: the bytes are looked at before that counts.
constexpr std::uint64_t most_bytes_of_one = 1_MiB;
/// By one commit (ProducerOptions::retain_bytes).
constexpr unsigned most_evicted = 64;

}  // namespace

void Retention::published(Generation generation) {
    done_ = Clock::now();
    // What is too old for certain: the library looked at its clock after `begun_`. What it evicts
    // besides only makes fewer of them.
    const auto due = [&](const Superseded& one) {
        return generation - one.generation > retain_ && begun_ - one.latest >= retain_for_;
    };
    for (unsigned evicted = 0;
         evicted < most_evicted && !superseded_.empty() && due(superseded_.front()); ++evicted) {
        superseded_.pop_front();
    }
    superseded_.push_back({newest_, begun_, done_});
    newest_ = generation;
}

// A relocation publishes a generation of its own in the same call: what it supersedes is between
// two entries here, and that much younger than the first of them.
Generation Retention::latest_oldest() const noexcept {
    Generation oldest = std::max(opened_, newest_ - std::min<Generation>(newest_, retain_));
    // The library looked at its clock before `done_`, and no later than it published.
    const auto young = std::ranges::find_if(
        superseded_, [&](const Superseded& one) { return done_ - one.earliest < retain_for_; });
    return young != superseded_.end() ? std::min(oldest, young->generation) : oldest;
}

Generation Retention::earliest_oldest() const noexcept {
    return superseded_.empty() ? opened_ : superseded_.front().generation;
}

std::string Retention::wrong(const Consumer& consumer, std::uint64_t history_bytes) const {
    const auto [oldest, newest] = consumer.retained();
    const std::string told = "generations " + std::to_string(oldest) + " to " +
                             std::to_string(newest) + " are retained, ";
    if (newest != newest_ || oldest < opened_ || oldest > newest) {
        return told + "the producer found " + std::to_string(opened_) + " and published " +
               std::to_string(newest_);
    }
    if (oldest < earliest_oldest()) {
        return told + "all before " + std::to_string(earliest_oldest()) +
               " are too many and too old";
    }
    if (retain_bytes_ != 0) {
        return history_bytes <= retain_bytes_ + most_bytes_of_one
                   ? std::string{}
                   : told + "which take " + std::to_string(history_bytes) + " bytes of " +
                         std::to_string(retain_bytes_);
    }
    const Generation needed = latest_oldest();
    // By number alone there are exactly so many; those of an age may be more.
    if (oldest > needed || (retain_for_.count() == 0 && oldest < needed)) {
        return told + "the oldest has to be " + std::to_string(needed);
    }
    return {};
}

Snapshot Retention::any(Consumer& consumer, Random& random) const {
    const auto [oldest, newest] = consumer.retained();
    // Often near an end of what is retained: there it is decided what that is.
    const Generation aside = random.below(std::min<Generation>(newest - oldest, 3) + 1);
    Generation wanted = oldest + random.below(newest - oldest + 1);
    switch (random.below(3)) {
        case 0: wanted = oldest + aside; break;
        case 1: wanted = newest - aside; break;
        default: break;
    }
    const Snapshot snapshot = consumer.snapshot(wanted);
    if (snapshot.generation() != wanted) {
        throw Failure("asked for generation " + std::to_string(wanted) + ", got " +
                      std::to_string(snapshot.generation()));
    }
    if (random.below(2) == 0) {
        return snapshot;
    }
    const auto time = snapshot.published_at() + std::chrono::microseconds(random.below(200));
    Snapshot current = consumer.snapshot_at(time);
    // It is the newest of its time: none of those that follow is as old.
    bool right = current.published_at() <= time && current.generation() >= wanted;
    const Generation last = std::min(newest, current.generation() + 20);
    for (Generation next = current.generation() + 1; next <= last; ++next) {
        right = right && consumer.snapshot(next).published_at() > time;
    }
    if (!right) {
        throw Failure("generation " + std::to_string(current.generation()) +
                      " was not what was current when " + std::to_string(wanted) + " was");
    }
    return current;
}

}  // namespace strata::test
