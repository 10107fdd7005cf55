// SPDX-License-Identifier: Apache-2.0
#include "producer/durability/checkpointer.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ipc/deadline.hpp"
#include "ipc/failure.hpp"

namespace strata::producer_impl {

void Checkpointer::start(const DurabilityOptions& options, std::function<void()> checkpoint,
                         std::string_view operation, std::string_view path) {
    interval_ = options.interval;
    every_generations_ = options.every_generations;
    checkpoint_ = std::move(checkpoint);
    auto event = ipc::os::create_event();
    if (!event) {
        ipc::fail_errno(event.error, operation, path, "cannot make an event for its checkpoints");
    }
    event_ = std::move(event.value);
    if (!thread_.start([this] { run(); })) {
        event_.reset();
        ipc::fail_errno(EAGAIN, operation, path, "cannot start a thread for its checkpoints",
                        "choose another durability policy, or allow more threads");
    }
}

void Checkpointer::stop() noexcept {
    if (thread_.running()) {
        stopping_.store(true, std::memory_order_relaxed);  // orders nothing: the join does
        ipc::os::signal_event(event_.get());
        thread_.join();
    }
    event_.reset();
}

void Checkpointer::forget() noexcept {
    if (thread_.running()) {
        thread_.abandon();
    }
    event_.reset();
}

void Checkpointer::committed(Generation generation, std::uint64_t held_bytes,
                             std::uint64_t limit) noexcept {
    if (!thread_.running()) {
        return;
    }
    held_when_asked_ = std::min(held_when_asked_, held_bytes);
    const bool many = every_generations_ > 0 && generation >= asked_at_ + every_generations_;
    // More than readers held when it was asked last: those it cannot help with.
    if (many || held_bytes >= held_when_asked_ + limit / 8) {
        asked_at_ = generation;
        held_when_asked_ = held_bytes;
        ipc::os::signal_event(event_.get());
    }
}

void Checkpointer::run() noexcept {
    while (!stopping_.load(std::memory_order_relaxed)) {
        ipc::os::wait_readable(event_.get(), ipc::deadline_after(interval_));
        ipc::os::clear_event(event_.get());
        if (!stopping_.load(std::memory_order_relaxed)) {
            checkpoint_();
        }
    }
}

}  // namespace strata::producer_impl
