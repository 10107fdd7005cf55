// SPDX-License-Identifier: Apache-2.0
// Whether any consumer sleeps on the generation word, so that a commit makes the system call that
// wakes them only when there is somebody to wake. See docs/reclamation.md, C20.
#pragma once

#include <atomic>
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

    /// Starts to find out. If the system refuses what that takes (a thread, an inotify instance,
    /// membarrier), everybody counts as waiting for ever. `control`: a description of control.mmap
    /// that is not among those waiting; it and the word outlive this object or `stop`.
    void start(int control, const std::uint64_t& generation) noexcept;
    void stop() noexcept;
    /// In a forked child: the thread did not come along.
    void forget() noexcept;

    /// To be asked after the generation was stored. False: nobody sleeps, or whoever is about to
    /// will be woken by this object. Relaxed: the order is made by the barrier in `look`.
    bool present() const noexcept { return present_.load(std::memory_order_relaxed); }

private:
    void run() noexcept;
    void look() noexcept;

    std::atomic<bool> present_{true};
    int control_ = -1;
    const std::uint64_t* generation_ = nullptr;
    ipc::FileDescriptor watch_;
    ipc::FileDescriptor stop_;
    ipc::BackgroundThread thread_;
};

}  // namespace strata::producer_impl
