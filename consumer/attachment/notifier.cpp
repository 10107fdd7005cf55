// SPDX-License-Identifier: Apache-2.0
#include "consumer/attachment/notifier.hpp"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <stop_token>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/os.hpp"

namespace strata::consumer_impl {

namespace {

// A producer's death wakes nobody (the kernel drops its lock silently), so sleepers check the
// lock from time to time. A clean end and a replacement do wake them.
constexpr std::chrono::milliseconds life_check_period{100};

}  // namespace

Notifier::Notifier(const Attachment& attachment, ViewPool& views)
    : attachment_(attachment),
      views_(views),
      acknowledged_(ipc::load_acquire(attachment.control.cells().generation)) {}

// See docs/reclamation.md, C20. If the kernel refuses, the next look at the producer's life finds
// what is new.
void Notifier::announce() noexcept {
    if (!announced_.load(std::memory_order_relaxed)) {
        announced_.store(views_.announce_waiter(), std::memory_order_relaxed);
    }
}

// So that loading the generation needs no system call; see load_guarded.
void Notifier::keep_fault_handler() noexcept {
    if (!fault_handler_kept_.load(std::memory_order_acquire)) {
        const ipc::MutexLock lock(mutex_);
        if (!fault_handler_) {
            fault_handler_.emplace();
            // Release, with the acquire above: the handler stands.
            fault_handler_kept_.store(true, std::memory_order_release);
        }
    }
}

// The newest generation. Throws truncated if the file is cut short at this very moment.
Generation Notifier::generation_for(std::string_view verb) const {
    // Acquire; partner: the release store that publishes the generation.
    const auto generation = ipc::load_guarded(attachment_.control.cells().generation);
    // 0 is never published: another thread's guard has zeros in the page's place.
    if (!generation || *generation == 0) {
        ipc::fail(Errc::truncated, ipc::operation_on(verb, attachment_.store.name),
                  attachment_.control.path(),
                  "its first page is gone: the file was cut short, or its disk fails",
                  "find out who did it, remove the store and publish it anew");
    }
    return *generation;
}

WaitResult Notifier::wait(Generation seen, const WaitOptions& options) {
    using Clock = std::chrono::steady_clock;
    const auto start = Clock::now();
    const bool forever = options.timeout < std::chrono::nanoseconds::zero() ||
                         options.timeout > Clock::time_point::max() - start;
    const auto deadline = forever ? Clock::time_point::max() : start + options.timeout;
    keep_fault_handler();
    ipc::os::OwnWord stopped{0};
    const std::stop_callback stop(options.stop, [&] { ipc::os::end_wait(stopped); });
    for (;;) {
        const Generation generation = generation_for("wait for");
        if (generation > seen) {
            return WaitResult::changed;
        }
        if (options.stop.stop_requested()) {
            return WaitResult::cancelled;
        }
        const bool abandoned = !options.wait_for_producer && !attachment_.producer_alive();
        const bool other = attachment_.replaced();
        if (abandoned || other) {
            if (generation_for("wait for") > seen) {  // its last act may have been to publish
                return WaitResult::changed;
            }
            return other ? WaitResult::store_replaced : WaitResult::producer_gone;
        }
        const auto now = Clock::now();
        if (now >= deadline) {
            return WaitResult::timeout;
        }
        announce();  // before the kernel compares the word
        ipc::os::futex_wait_either(ipc::futex_word(attachment_.control.cells().generation),
                                   static_cast<std::uint32_t>(generation), stopped,
                                   std::min(deadline, now + life_check_period));
    }
}

const ipc::FileDescriptor& Notifier::event_descriptor() {
    announce();
    const ipc::MutexLock lock(mutex_);
    if (watcher_.running()) {
        return event_;
    }
    if (!event_) {  // else inherited by a forked child
        auto event = ipc::os::create_event();
        if (!event) {
            ipc::fail_errno(event.error, attachment_.operation, attachment_.control.path(),
                            "cannot create an eventfd");
        }
        event_ = std::move(event.value);
    }
    // The thread's own: what it has told. The producer's end and return, and that of the store, are
    // told of once each, not at every check. It is guarded: a lost generation reads as zero.
    const auto act = [this, fd = event_.get(), alive = true, other = false]() mutable {
        const Generation now = ipc::load_acquire(attachment_.control.cells().generation);
        const bool was_alive = std::exchange(alive, attachment_.producer_alive());
        const bool was_other = std::exchange(other, now == 0 || attachment_.replaced());
        if (now > acknowledged_.load(std::memory_order_acquire) || alive != was_alive ||
            (other && !was_other)) {
            ipc::os::signal_event(fd);
        }
    };
    if (!watcher_.start(attachment_.control.cells().generation, std::nullopt, life_check_period,
                        act)) {
        event_.reset();
        ipc::fail_errno(EAGAIN, attachment_.operation, attachment_.control.path(),
                        "cannot start the notifier's thread");
    }
    return event_;
}

Generation Notifier::acknowledge_event() {
    const ipc::MutexLock lock(mutex_);
    if (event_) {
        ipc::os::clear_event(event_.get());
    }
    // Cleared first, read after: what is published from here on signals again.
    const Generation now = generation_for("acknowledge");
    acknowledged_.store(now, std::memory_order_release);
    return now;
}

void Notifier::continue_acknowledging(const Notifier& before) noexcept {
    const auto& own = attachment_.control.identity().store_id;
    const bool same_store = std::equal(std::begin(own), std::end(own),
                                       std::begin(before.attachment_.control.identity().store_id));
    acknowledged_.store(
        same_store ? before.acknowledged_.load(std::memory_order_acquire) : Generation{0},
        std::memory_order_release);
}

void Notifier::child_after_fork() noexcept {
    announced_.store(false, std::memory_order_relaxed);  // its lock is the parent's
    watcher_.forget();
    // Shared with the parent: the child gets one of its own, under the same number, so that a
    // poller of the old one does not meet another file. It stays silent until somebody asks for it.
    if (event_ && !ipc::os::renew_event(event_.get())) {
        event_.reset();
    }
    mutex_.unlock();
}

}  // namespace strata::consumer_impl
