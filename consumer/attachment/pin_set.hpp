// SPDX-License-Identifier: Apache-2.0
// The kernel's locks of one consumer on control.mmap: the epochs that it pins, and the announcement
// that somebody waits. They hang on one description of the file, which is shared with nobody,
// except after a fork that found no fresh one, and then no longer than until there is one. See
// docs/reclamation.md.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ipc/files/control_file.hpp"
#include "ipc/os.hpp"

namespace strata::consumer_impl {

/// Counts users of each pinned epoch and holds a kernel lock per epoch. Not thread-safe.
class PinSet {
public:
    /// Both outlive it.
    PinSet(const ipc::ControlFile& control, const ipc::StoreDirectory& store) noexcept;

    /// Pins the current epoch and counts one use of it. Throws Error{system} if the kernel gives no
    /// lock (ENOLCK).
    std::uint64_t pin_current(std::string_view operation);
    /// Ends one use; the last one releases the lock.
    void unpin(std::uint64_t epoch) noexcept;
    /// Tells the producer that somebody here waits; false if the kernel refuses (ENOLCK).
    bool announce_waiter() noexcept;
    /// If the description is shared since a fork: takes the locks on one of its own, if there is
    /// one available now, and leaves the shared one. Until then no lock on it is dropped.
    void separate() noexcept;

    // Around fork(2).
    /// Gets locks for the child on a description of its own.
    void prepare_fork() noexcept;
    void parent_after_fork() noexcept;
    void child_after_fork() noexcept;

private:
    struct Pin {
        std::uint64_t epoch;
        std::uint64_t uses;  // 0: to be unlocked, which the kernel has refused
        std::int64_t pid;    // whose lock byte it is
    };

    /// Whose locks are ours.
    const ipc::FileDescriptor& description() const noexcept {
        return own_ ? own_ : control_.file();
    }
    ipc::FileDescriptor description_with_pins() noexcept;
    bool unlock(const Pin& pin) noexcept;
    void unlock_unused() noexcept;

    const ipc::ControlFile& control_;
    const ipc::StoreDirectory& store_;
    std::vector<Pin> pins_;
    std::int64_t pid_;
    bool announced_ = false;
    // Shared with a child or a parent for want of a fresh one: unlocking would expose the other.
    bool shared_ = false;
    // After a fork, if the control file's descriptor could not be replaced.
    ipc::FileDescriptor own_;
    ipc::FileDescriptor childs_description_;  // between prepare and the end of a fork
};

}  // namespace strata::consumer_impl
