// SPDX-License-Identifier: Apache-2.0
// The epochs that this process pins through one description of control.mmap. See
// docs/reclamation.md.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ipc/control_file.hpp"

namespace strata::consumer_impl {

/// Counts users of each pinned epoch and holds a kernel lock per epoch. Not thread-safe.
class PinSet {
public:
    explicit PinSet(const ipc::ControlFile& control) noexcept;

    /// Pins the current epoch and counts one use of it. Throws Error{system} if the kernel gives no
    /// lock (ENOLCK).
    std::uint64_t pin_current(std::string_view operation);
    /// One use less; the lock goes with the last.
    void unpin(std::uint64_t epoch) noexcept;

    // Around fork(2).
    /// Gets locks for the child on a description of its own.
    void prepare_fork() noexcept;
    void parent_after_fork() noexcept;
    void child_after_fork() noexcept;

private:
    struct Pin {
        std::uint64_t epoch;
        std::uint64_t uses;
    };

    const ipc::ControlFile& control_;
    std::vector<Pin> pins_;
    std::int64_t pid_;
    int childs_description_ = -1;
    // The description is shared with a child for want of a fresh one: its locks stay until both
    // end.
    bool shared_with_child_ = false;
};

}  // namespace strata::consumer_impl
