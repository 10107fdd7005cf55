// SPDX-License-Identifier: Apache-2.0
// Which generations a tortured producer has to retain, as its options promise, kept beside it from
// nothing but the numbers that it published and when.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

#include "tests/support/oracle.hpp"
#include <strata/strata.hpp>

namespace strata::test {

class Retention {
public:
    Retention(const ProducerOptions& options, Generation opened)
        : retain_(options.retain),
          retain_for_(options.retain_for),
          retain_bytes_(options.retain_bytes),
          opened_(opened),
          newest_(opened) {}

    bool enabled() const noexcept { return retain_ > 0 || retain_for_.count() > 0; }
    bool limits_bytes() const noexcept { return retain_bytes_ != 0; }
    /// By number.
    std::uint32_t most() const noexcept { return retain_; }
    /// The generation that this producer found: the oldest that can be retained.
    Generation opened() const noexcept { return opened_; }

    /// A generation is about to be published; and it was.
    void begin() noexcept { begun_ = Clock::now(); }
    void published(Generation generation);

    /// Compares the range that the consumer is told with what has to be there, and what it takes
    /// with what it may take, if that is limited. Empty: nothing is wrong. Nothing may be published
    /// meanwhile.
    std::string wrong(const Consumer& consumer, std::uint64_t history_bytes) const;

    /// One that is retained, asked for by number or by the time at which it was current. What is
    /// not there, though it has to be, ends in an Error.
    Snapshot any(Consumer& consumer, Random& random) const;

private:
    using Clock = std::chrono::steady_clock;
    struct Superseded {
        Generation generation;
        Clock::time_point earliest;  // it was current until then at least, ...
        Clock::time_point latest;    // ... and until then at most
    };

    /// The oldest that has to be there, whatever is there besides.
    Generation latest_oldest() const noexcept;
    /// The oldest that may still be there: those before it are too many and too old.
    Generation earliest_oldest() const noexcept;

    const std::uint32_t retain_;
    const std::chrono::nanoseconds retain_for_;
    const std::uint64_t retain_bytes_;
    const Generation opened_;
    Generation newest_;
    Clock::time_point begun_{};
    Clock::time_point done_{};
    std::deque<Superseded> superseded_;  // ascending, from the oldest that may be there
};

}  // namespace strata::test
