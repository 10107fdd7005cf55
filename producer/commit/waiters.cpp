// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/waiters.hpp"

#include <chrono>
#include <thread>
#include <utility>

#include "ipc/format/atomic_word.hpp"
#include "ipc/lock_table.hpp"

namespace strata::producer_impl {

namespace {

// A commit wakes so many itself: each takes it 1 to 3 microseconds, calling the thread as much as
// one or two of them, and those that the thread wakes sleep a little longer.
constexpr unsigned few = 2;
// So many commits ask the kernel whether anybody sleeps, a fraction of a microsecond each, before
// the thread is worth starting. A producer of a few commits has none: closing its watch would take
// the kernel 10 ms, in which it waits for all processors.
constexpr unsigned most_alone = 16;
// A description's watch fires before its locks are released, so a process that is gone may still
// seem to wait: check again.
constexpr auto settling_time = std::chrono::milliseconds(10);
// Any reader of the store can make the watch fire: that must not cost us a processor.
constexpr int burst = 16;
constexpr auto pause_after_burst = std::chrono::milliseconds(1);
// A store leaves its processor within microseconds.
constexpr auto time_for_stores_to_drain = std::chrono::milliseconds(10);

}  // namespace

void Waiters::prepare(const ipc::FileDescriptor& control,
                      const std::uint64_t& generation) noexcept {
    control_ = &control;
    generation_ = &generation;
}

void Waiters::start() noexcept {
    alone_ = most_alone;  // if it is refused, then for good
    auto call = ipc::os::create_event();
    if (!call) {
        return;
    }
    call_ = std::move(call.value);
    if (auto watch = ipc::os::watch_reads(control_->get())) {
        watch_ = std::move(watch.value);
    }
    thread_.start([this] { run(); });
}

void Waiters::stop() noexcept {
    if (thread_.running()) {
        stopping_.store(true, std::memory_order_relaxed);  // orders nothing: the join does
        if (!ipc::os::signal_event(call_.get())) {
            char byte = 0;
            ipc::os::read_at(control_->get(), &byte, 1, 0);  // refused: the watch fires as well
        }
        thread_.join();
    }
    watch_.reset();
    call_.reset();
    present_.store(true, std::memory_order_relaxed);
}

void Waiters::forget() noexcept {
    if (thread_.running()) {
        thread_.abandon();
    }
    watch_.reset();
    call_.reset();
}

void Waiters::wake(const std::uint64_t& generation) noexcept {
    const std::uint32_t* const word = ipc::futex_word(generation);
    if (!thread_.running() && wake_alone(word)) {
        return;
    }
    if (ipc::os::futex_wake_some(word, few) < few) {
        return;
    }
    // Release; partner: the exchange in `serve`, after which the thread wakes those who compared an
    // older generation than that stored before this. If the flag is up, it has yet to take it down.
    if (!handed_over_.exchange(true, std::memory_order_acq_rel) &&
        !ipc::os::signal_event(call_.get())) {
        handed_over_.store(false, std::memory_order_relaxed);  // the next commit tries again
        ipc::os::futex_wake(word);
    }
}

bool Waiters::wake_alone(const std::uint32_t* word) noexcept {
    if (control_ != nullptr && alone_ < most_alone) {
        const bool many = ipc::os::futex_wake_some(word, few) == few;
        if (!many && ++alone_ < most_alone) {
            return true;
        }
        start();
    }
    if (!thread_.running()) {
        ipc::os::futex_wake(word);
    }
    return !thread_.running();
}

void Waiters::run() noexcept {
    bool looks = watch_ && ipc::os::register_barriers() && look();
    Clock::time_point looked = Clock::now();
    int in_a_row = 0;
    bool settling = false;
    while (looks) {
        const Event event =
            serve(&watch_, settling ? looked + settling_time : Clock::time_point::max());
        if (event == Event::stop) {
            return;
        }
        in_a_row = Clock::now() - looked < pause_after_burst ? in_a_row + 1 : 0;
        if (in_a_row > burst && serve(nullptr, looked + pause_after_burst) == Event::stop) {
            return;
        }
        ipc::os::drain(watch_.get());
        looks = look();
        looked = Clock::now();
        settling = event == Event::fired && present();
    }
    while (serve(nullptr, Clock::time_point::max()) != Event::stop) {
    }
}

Waiters::Event Waiters::serve(const ipc::FileDescriptor* watch, Clock::time_point until) noexcept {
    for (;;) {
        const bool ready =
            ipc::os::wait_either_readable(watch != nullptr ? watch->get() : -1, call_.get(), until);
        // Before the flag: raising it after this signals again.
        const bool called = ipc::os::clear_event(call_.get());
        // Acquire; partner: the exchange in `wake`.
        if (handed_over_.exchange(false, std::memory_order_acq_rel)) {
            ipc::os::futex_wake(ipc::futex_word(*generation_));
        }
        if (stopping_.load(std::memory_order_relaxed)) {
            return Event::stop;
        }
        if (!ready) {
            return Event::timeout;
        }
        if (!called && watch != nullptr) {
            return Event::fired;
        }
        if (!called) {  // the event cannot be cleared: refused, and it stays readable
            std::this_thread::sleep_for(pause_after_burst);
        }
    }
}

bool Waiters::look() noexcept {
    // An error says that somebody may wait.
    const bool waiting = ipc::waiters(*control_) != ipc::LockState::free;
    if (waiting == present()) {
        return true;
    }
    present_.store(waiting, std::memory_order_relaxed);
    if (!waiting) {
        return true;
    }
    // Partner: Commit::publish, which stores the generation and then loads `present_`. A commit
    // that still found nobody has stored its generation by now, and the wake below tells of it;
    // every later one finds somebody.
    const bool passed = ipc::os::barrier_all_threads();
    if (!passed) {
        // Refused from now on: `present_` stays true, and a commit under way will long have stored
        // its generation after this pause.
        std::this_thread::sleep_for(time_for_stores_to_drain);
    }
    ipc::os::futex_wake(ipc::futex_word(*generation_));
    return passed;
}

}  // namespace strata::producer_impl
