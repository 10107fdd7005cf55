// SPDX-License-Identifier: Apache-2.0
#include "consumer/attachment/pin_set.hpp"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"

namespace strata::consumer_impl {

PinSet::PinSet(const ipc::ControlFile& control, const ipc::StoreDirectory& store) noexcept
    : control_(control), store_(store), pid_(ipc::os::process_id()) {}

std::uint64_t PinSet::pin_current(std::string_view operation) {
    const std::uint64_t& epoch_word = control_.cells().epoch;
    separate();
    unlock_unused();
    for (;;) {
        pins_.reserve(pins_.size() + 1);  // nothing after the lock may throw
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
        const int error = ipc::lock_pin(description(), epoch, pid_);
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
        const bool current = ipc::load_acquire(epoch_word) == epoch;
        const Pin pin{epoch, current ? 1U : 0U, pid_};
        if (current) {
            STRATA_CRASH_POINT("pin.confirmed");
            pins_.push_back(pin);
            return epoch;
        }
        if (!shared_ && !unlock(pin)) {
            pins_.push_back(pin);
        }
    }
}

void PinSet::unpin(std::uint64_t epoch) noexcept {
    const auto pin = std::find_if(pins_.begin(), pins_.end(),
                                  [&](const Pin& p) { return p.epoch == epoch && p.uses > 0; });
    if (pin == pins_.end()) {
        ipc::bug("an epoch was unpinned that is not pinned");
    }
    if (--pin->uses == 0) {
        STRATA_CRASH_POINT("pin.before-unlock");
        if (shared_) {
            pins_.erase(pin);
            separate();  // the lock is one of those that are left behind
        } else {
            unlock_unused();
        }
    }
}

bool PinSet::unlock(const Pin& pin) noexcept {
    return ipc::unlock_pin(description(), pin.epoch, pin.pid) == 0;
}

// Also those that the kernel has refused to unlock before (ENOLCK): an epoch that is forgotten
// while its lock stands would hold memory back as long as the consumer lives.
void PinSet::unlock_unused() noexcept {
    std::erase_if(pins_, [&](const Pin& pin) { return pin.uses == 0 && (shared_ || unlock(pin)); });
}

bool PinSet::announce_waiter() noexcept {
    announced_ = announced_ || ipc::announce_waiter(description(), pid_) == 0;
    return announced_;
}

// A fresh description with the locks that stand on ours, or none. The producer's exclusive attempt
// cannot be granted in between, and so not be in the way: our own locks stand.
ipc::FileDescriptor PinSet::description_with_pins() noexcept {
    ipc::FileDescriptor fresh = control_.another_description(store_);
    if (!fresh) {
        return {};
    }
    STRATA_CRASH_POINT("fork.description-made");
    for (const Pin& pin : pins_) {
        if (pin.uses > 0 && ipc::lock_pin(fresh, pin.epoch, pin.pid) != 0) {
            return {};
        }
    }
    return fresh;
}

void PinSet::separate() noexcept {
    if (own_ && ipc::os::replace_descriptor(own_.get(), control_.file().get()) == 0) {
        static_cast<void>(own_.release());  // its number is closed, its description under the other
    }
    if (!shared_) {
        return;
    }
    ipc::FileDescriptor fresh = description_with_pins();
    if (!fresh) {
        return;
    }
    if (announced_) {
        ipc::announce_waiter(fresh, pid_);
    }
    STRATA_CRASH_POINT("fork.separating");
    // The other process keeps what it shares; our locks on that one go when it does the same.
    if (ipc::os::replace_descriptor(fresh.get(), description().get()) == 0) {
        static_cast<void>(fresh.release());
        shared_ = false;
        unlock_unused();
    }
}

void PinSet::prepare_fork() noexcept { childs_description_ = description_with_pins(); }

void PinSet::parent_after_fork() noexcept {
    if (!childs_description_) {
        shared_ = true;
        return;
    }
    STRATA_CRASH_POINT("fork.in-parent");
    childs_description_.reset();  // the child has its own copy
}

void PinSet::child_after_fork() noexcept {
    pid_ = ipc::os::process_id();
    announced_ = false;  // that lock is the parent's
    if (!childs_description_) {
        shared_ = true;
        return;
    }
    STRATA_CRASH_POINT("fork.in-child");
    // The child's share in the parent's description, whose locks are the parent's alone, is closed
    // by what takes its place, or later, if that is refused.
    own_ = std::exchange(childs_description_, {});
    shared_ = false;
    separate();
    STRATA_CRASH_POINT("fork.description-replaced");
    for (Pin& pin : pins_) {  // under its own pid, so that listings name the reader
        if (pin.uses > 0 && pin.pid != pid_ && ipc::lock_pin(description(), pin.epoch, pid_) == 0) {
            const Pin parents = std::exchange(pin, {pin.epoch, pin.uses, pid_});
            if (!unlock(parents)) {  // then it stays under the parent's name
                unlock(pin);
                pin = parents;
            }
        }
    }
}

}  // namespace strata::consumer_impl
