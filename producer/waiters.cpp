// SPDX-License-Identifier: Apache-2.0
#include "producer/waiters.hpp"

#include <chrono>
#include <utility>

#include "ipc/atomic_word.hpp"
#include "ipc/lock_table.hpp"

namespace strata::producer_impl {

namespace {

using Clock = std::chrono::steady_clock;

// A description's watch fires before its locks go, so who is gone may seem to wait: look again.
constexpr auto settling_time = std::chrono::milliseconds(10);
// Whoever may read the store can make the watch fire: that must not cost us a processor.
constexpr int burst = 16;
constexpr auto pause_after_burst = std::chrono::milliseconds(1);

}  // namespace

void Waiters::start(int control, const std::uint64_t& generation) noexcept {
    control_ = control;
    generation_ = &generation;
    auto watch = ipc::os::watch_reads(control);
    auto stop = ipc::os::create_event();
    if (watch && stop) {
        watch_ = std::move(watch.value);
        stop_ = std::move(stop.value);
        thread_.start([this] { run(); });
    }
}

void Waiters::stop() noexcept {
    if (thread_.running()) {
        ipc::os::signal_event(stop_.get());
        thread_.join();
    }
    watch_.reset();
    stop_.reset();
    present_.store(true, std::memory_order_relaxed);
}

void Waiters::forget() noexcept {
    if (thread_.running()) {
        thread_.abandon();
    }
    watch_.reset();
    stop_.reset();
}

void Waiters::run() noexcept {
    if (!ipc::os::register_barriers()) {
        return;
    }
    look();
    Clock::time_point looked = Clock::now();
    int in_a_row = 0;
    bool settling = false;
    for (;;) {
        const Clock::time_point until =
            settling ? looked + settling_time : Clock::time_point::max();
        const bool fired = ipc::os::wait_either_readable(watch_.get(), stop_.get(), until);
        in_a_row = Clock::now() - looked < pause_after_burst ? in_a_row + 1 : 0;
        const Clock::time_point pause_end =
            looked + (in_a_row > burst ? pause_after_burst : Clock::duration::zero());
        if (ipc::os::wait_readable(stop_.get(), pause_end)) {
            return;
        }
        ipc::os::drain(watch_.get());
        look();
        looked = Clock::now();
        settling = fired && present();
    }
}

void Waiters::look() noexcept {
    const bool waiting = ipc::anybody_waits(control_);
    if (waiting == present()) {
        return;
    }
    present_.store(waiting, std::memory_order_relaxed);
    if (waiting) {
        // Partner: Commit::publish, which stores the generation and then loads `present_`. A commit
        // that still found nobody has stored its generation by now, and the wake below tells of it;
        // every later one finds somebody.
        ipc::os::barrier_all_threads();
        ipc::os::futex_wake(ipc::futex_word(*generation_));
    }
}

}  // namespace strata::producer_impl
