// SPDX-License-Identifier: Apache-2.0
// Waiting for a newer generation: blocking, and through a descriptor.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "consumer/session.hpp"
#include "ipc/failure.hpp"
#include "ipc/lock_table.hpp"

namespace strata::consumer_impl {

namespace {

// A producer's death wakes nobody (the kernel drops its lock silently), so sleepers look at the
// lock from time to time. A clean end and a replacement do wake them.
constexpr std::chrono::milliseconds life_check_period{100};

}  // namespace

bool Session::replaced() const { return ipc::is_replaced(store_, control_.file()); }

// See docs/reclamation.md, C20. Two threads may both say it. If the kernel refuses (ENOLCK), the
// next look at the producer's life finds what is new.
void Session::announce_waiter() const noexcept {
    if (!announced_.load(std::memory_order_relaxed) &&
        ipc::announce_waiter(control_.file().get(), ipc::os::process_id()) == 0) {
        announced_.store(true, std::memory_order_relaxed);
    }
}

WaitResult Session::wait(Generation seen,
                         std::optional<std::chrono::steady_clock::time_point> deadline) const {
    const std::uint64_t& word = control_.cells().generation;
    for (;;) {
        // Acquire; partner: the release store that publishes the generation.
        const Generation generation = ipc::load_acquire(word);
        if (generation > seen) {
            return WaitResult::changed;
        }
        const bool alone = !ipc::find_producer(control_.file().get()).has_value();
        if (alone || replaced()) {
            // Its last act may have been to publish.
            if (ipc::load_acquire(word) > seen) {
                return WaitResult::changed;
            }
            return replaced() ? WaitResult::store_replaced : WaitResult::producer_gone;
        }
        const auto now = std::chrono::steady_clock::now();
        if (deadline && now >= *deadline) {
            return WaitResult::timeout;
        }
        const auto next_check = now + life_check_period;
        announce_waiter();  // before the kernel compares the word
        ipc::os::futex_wait(ipc::futex_word(word), static_cast<std::uint32_t>(generation),
                            deadline ? std::min(*deadline, next_check) : next_check);
    }
}

int Session::event_descriptor() {
    const std::lock_guard lock(mutex_);
    if (event_) {
        return event_.get();
    }
    auto event = ipc::os::create_event();
    if (!event) {
        ipc::fail_errno(event.error, operation_, control_.path(), "cannot create an eventfd");
    }
    event_ = std::move(event.value);
    const std::uint64_t& word = control_.cells().generation;
    acknowledged_.store(ipc::load_acquire(word), std::memory_order_relaxed);
    // `gone` and `other` are the thread's own: report the producer's end, and that of the store,
    // once each, not at every check.
    const auto act = [this, fd = event_.get(), gone = false, other = false]() mutable {
        const Generation now = ipc::load_acquire(control_.cells().generation);
        const bool was_gone = std::exchange(gone, !ipc::find_producer(control_.file().get()));
        const bool was_other = std::exchange(other, replaced());
        if (now > acknowledged_.load(std::memory_order_acquire) || (gone && !was_gone) ||
            (other && !was_other)) {
            ipc::os::signal_event(fd);
        }
    };
    announce_waiter();
    if (!notifier_.start(word, life_check_period, act)) {
        event_.reset();
        ipc::fail_errno(EAGAIN, operation_, control_.path(), "cannot start the notifier's thread");
    }
    return event_.get();
}

Generation Session::acknowledge_event() {
    const std::lock_guard lock(mutex_);
    if (event_) {
        ipc::os::clear_event(event_.get());
    }
    // Cleared first, read after: what is published from here on signals again.
    const Generation now = ipc::load_acquire(control_.cells().generation);
    acknowledged_.store(now, std::memory_order_release);
    return now;
}

}  // namespace strata::consumer_impl
