// SPDX-License-Identifier: Apache-2.0
// Those who wait for a flush at the same time. Threads that commit and wait in turns fall apart
// into two halves: one commits while the other is flushed. So whoever flushes next first waits a
// little until those that the last flush released are back (the "group commit" of databases, DeWitt
// et al., SIGMOD 1984).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace strata::producer_impl {

/// All functions with the mutex held that the owner has for it.
class FlushGroup {
public:
    void enter() noexcept {
        if (++waiting_ >= expected_ && gathering_) {
            arrived_.notify_one();
        }
    }
    void leave() noexcept { --waiting_; }
    /// A flush has ended that took so long; those it was for have not left yet.
    void flushed(std::chrono::steady_clock::duration took) noexcept {
        expected_ = waiting_;
        took_ = took;
    }

    /// Somebody is about to flush.
    bool gathering() const noexcept { return gathering_; }
    /// Before a flush: waits until as many wait as at the end of the last one, but not longer than
    /// half of what that took. One thread at a time; releases the mutex meanwhile.
    void gather(std::unique_lock<std::mutex>& lock) {
        if (waiting_ >= expected_) {
            return;
        }
        gathering_ = true;
        arrived_.wait_for(lock, took_ / 2, [&] { return waiting_ >= expected_; });
        gathering_ = false;
    }

private:
    std::size_t waiting_ = 0;
    std::size_t expected_ = 0;
    std::chrono::steady_clock::duration took_{};
    bool gathering_ = false;
    std::condition_variable arrived_;
};

}  // namespace strata::producer_impl
