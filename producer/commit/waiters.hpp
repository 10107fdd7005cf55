// SPDX-License-Identifier: Apache-2.0
// Wakes the consumers that sleep on the generation word: a commit makes no system call if nobody
// does, and does not wait until all of many are awake. See docs/reclamation.md, C20.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "ipc/background_thread.hpp"
#include "ipc/os.hpp"

namespace strata::producer_impl {

class Waiters {
public:
    Waiters() = default;
    Waiters(const Waiters&) = delete;
    Waiters& operator=(const Waiters&) = delete;
    ~Waiters() { stop(); }

    /// `control` is a description of control.mmap that holds no waiter's lock; it and the word
    /// outlive this object or `stop`. Until this is called `wake` wakes everybody itself.
    void prepare(const ipc::FileDescriptor& control, const std::uint64_t& generation) noexcept;
    /// Starts the thread that finds out who sleeps, and that wakes many; `wake` does it when it is
    /// worth it. If the system refuses what finding out takes (an inotify instance, membarrier),
    /// `present` stays true; if it refuses the thread or its event, `wake` itself wakes everybody.
    void start() noexcept;
    /// All that `wake` was called for is done when it returns.
    void stop() noexcept;
    /// In a forked child, which does not have the thread.
    void forget() noexcept;

    /// Call it after storing the generation. False: nobody sleeps, or those about to will be woken
    /// by this object. Relaxed: the order is made by the barrier in `look`.
    bool present() const noexcept { return present_.load(std::memory_order_relaxed); }

    /// Wakes all sleepers on `generation`, which was stored before: a few of them before it
    /// returns, the rest through the thread. One caller at a time.
    void wake(const std::uint64_t& generation) noexcept;

private:
    using Clock = std::chrono::steady_clock;
    enum class Event : unsigned char { fired, timeout, stop };

    /// Without the thread. True: all are awake; else the thread has been started.
    bool wake_alone(const std::uint32_t* word) noexcept;
    void run() noexcept;
    /// Wakes those that `wake` left, until `watch` fires (null: it never does) or the time has
    /// come.
    Event serve(const ipc::FileDescriptor* watch, Clock::time_point until) noexcept;
    /// False: membarrier is refused (it was granted at the start); `present` stays true.
    bool look() noexcept;

    std::atomic<bool> present_{true};
    std::atomic<bool> handed_over_{false};  // there may be sleepers for the thread to wake
    const ipc::FileDescriptor* control_ = nullptr;
    const std::uint64_t* generation_ = nullptr;
    unsigned alone_ = 0;  // calls of `wake` before the thread was started
    ipc::FileDescriptor watch_;
    ipc::FileDescriptor call_;           // an event: `handed_over_` or `stopping_` was set
    std::atomic<bool> stopping_{false};  // also for when the system refuses to tell of the event
    ipc::BackgroundThread thread_;
};

}  // namespace strata::producer_impl
