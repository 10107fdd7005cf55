// SPDX-License-Identifier: Apache-2.0
#include "consumer/pin_set.hpp"

#include <algorithm>
#include <cerrno>

#include "ipc/atomic_word.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"

namespace strata::consumer_impl {

PinSet::PinSet(const ipc::ControlFile& control) noexcept
    : control_(control), pid_(ipc::os::process_id()) {}

std::uint64_t PinSet::pin_current(std::string_view operation) {
    const std::uint64_t& epoch_word = control_.cells().epoch;
    pins_.reserve(pins_.size() + 1);  // nothing after the lock may throw
    for (;;) {
        const std::uint64_t epoch = ipc::load_acquire(epoch_word);
        for (Pin& pin : pins_) {
            if (pin.epoch == epoch) {
                ++pin.uses;
                return epoch;
            }
        }
        if (epoch >= ipc::epoch_end) {  // beyond: the lock byte would leave its range
            ipc::fail(Errc::corrupt, operation, control_.path(),
                      "epoch " + std::to_string(epoch) + " is impossible");
        }
        STRATA_CRASH_POINT("pin.epoch-read");
        const int error = ipc::lock_pin(control_.file().get(), epoch, pid_);
        STRATA_CRASH_POINT("pin.locked");
        if (error == EAGAIN) {
            // Either the producer is closing that very epoch, so the word has moved, or somebody
            // holds a lock that no producer takes.
            if (ipc::load_acquire(epoch_word) == epoch) {
                ipc::fail(Errc::system, operation, control_.path(),
                          "the lock byte of epoch " + std::to_string(epoch) +
                              " is held exclusively by another process",
                          "only the producer's user can do that; see /proc/locks");
            }
            continue;
        }
        if (error != 0) {
            ipc::fail_errno(error, operation, control_.path(), "cannot pin an epoch");
        }
        // Partner: the producer's store of the epoch before its lock attempt. If that attempt came
        // before our lock, the kernel's lock orders the store before this load.
        if (ipc::load_acquire(epoch_word) == epoch) {
            STRATA_CRASH_POINT("pin.confirmed");
            pins_.push_back({epoch, 1});
            return epoch;
        }
        if (!shared_with_child_) {
            ipc::unlock_pin(control_.file().get(), epoch, pid_);
        }
    }
}

void PinSet::unpin(std::uint64_t epoch) noexcept {
    const auto pin =
        std::find_if(pins_.begin(), pins_.end(), [&](const Pin& p) { return p.epoch == epoch; });
    if (pin == pins_.end()) {
        ipc::bug("an epoch was unpinned that is not pinned");
    }
    if (--pin->uses == 0) {
        STRATA_CRASH_POINT("pin.before-unlock");
        pins_.erase(pin);
        if (!shared_with_child_) {
            ipc::unlock_pin(control_.file().get(), epoch, pid_);
        }
    }
}

void PinSet::prepare_fork() noexcept {
    childs_description_ = ipc::os::reopen_read(control_.file().get());
    if (childs_description_ < 0) {
        return;
    }
    STRATA_CRASH_POINT("fork.description-made");
    for (const Pin& pin : pins_) {
        // Cannot meet the producer's exclusive attempt: that fails as long as our own pin stands.
        if (ipc::lock_pin(childs_description_, pin.epoch, pid_) != 0) {
            ipc::FileDescriptor(childs_description_).reset();
            childs_description_ = -1;
            return;
        }
    }
}

void PinSet::parent_after_fork() noexcept {
    if (childs_description_ < 0) {
        shared_with_child_ = true;
        return;
    }
    STRATA_CRASH_POINT("fork.in-parent");
    ipc::FileDescriptor(childs_description_).reset();  // the child has its own copy
    childs_description_ = -1;
}

void PinSet::child_after_fork() noexcept {
    const std::int64_t parent = pid_;
    pid_ = ipc::os::process_id();
    if (childs_description_ < 0) {
        shared_with_child_ = true;
        return;
    }
    STRATA_CRASH_POINT("fork.in-child");
    // Also closes the child's share in the parent's description, whose locks are the parent's
    // alone.
    ipc::os::replace_descriptor(childs_description_, control_.file().get());
    childs_description_ = -1;
    shared_with_child_ = false;
    STRATA_CRASH_POINT("fork.description-replaced");
    for (const Pin& pin : pins_) {  // under its own name, so that people see who reads
        if (ipc::lock_pin(control_.file().get(), pin.epoch, pid_) == 0 && pid_ != parent) {
            ipc::unlock_pin(control_.file().get(), pin.epoch, parent);
        }
    }
}

}  // namespace strata::consumer_impl
