// SPDX-License-Identifier: Apache-2.0
// Readers that hold on to old snapshots: how a producer learns of them, and what it may do.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// A process whose pin is older than it should be.
struct SlowReader {
    std::int64_t pid = 0;     ///< as seen in the reader's own pid namespace
    std::uint64_t epoch = 0;  ///< that it pins
    /// Since the epoch moved on from it: how long the producer has been able to tell it is old.
    std::chrono::nanoseconds age{0};
    std::uint64_t epochs_behind = 0;
    /// Memory that could be reused if it were not for the pins of that epoch. What several epochs
    /// hold back counts for the oldest.
    std::uint64_t held_bytes = 0;
};

/// What to do when a put or commit has no room while readers hold memory back.
enum class SlowReaderPolicy : unsigned char {
    fail,  ///< limit_exceeded, naming the processes; nothing is lost
    /// Sleep until one of them releases its pin, up to SlowReaderOptions::wait; then fail. The
    /// kernel wakes the producer. Meanwhile no other commit goes on.
    wait,
    /// Write on in a fresh file: copy the live layers of a dimension, or of all that share a file,
    /// to a new region, publish that as a generation of its own (no layer changes by it), and leave
    /// the old file to the readers.
    /// Their snapshots stay valid; the limit counts what they hold until they release it. Helps
    /// when the dimension's file has reached its maximum size, or when old blocks scattered over it
    /// keep pages from being given back; there must be room for the copy, else it fails as above.
    relocate,
};

struct SlowReaderOptions {
    // A pin is slow when it exceeds any of these; 0: not checked. They are checked when the
    // producer commits, reclaims or runs out of room: an idle producer needs nothing.
    std::chrono::nanoseconds max_age{0};
    std::uint64_t max_epochs = 0;
    std::uint64_t max_held_bytes = 0;
    /// Called once for each process and pin that becomes slow, in the thread that noticed, without
    /// any lock. Must not throw.
    std::function<void(const SlowReader&)> on_slow_reader{};

    SlowReaderPolicy policy = SlowReaderPolicy::fail;
    std::chrono::milliseconds wait{1000};  ///< for SlowReaderPolicy::wait
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE
