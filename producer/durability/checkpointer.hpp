// SPDX-License-Identifier: Apache-2.0
// The thread that checkpoints in the background: every so often, and earlier when asked.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>

#include "ipc/background_thread.hpp"
#include "ipc/os.hpp"
#include "producer/commit_lock.hpp"
#include "strata/producer.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

class Checkpointer {
public:
    Checkpointer() = default;
    Checkpointer(const Checkpointer&) = delete;
    Checkpointer& operator=(const Checkpointer&) = delete;
    ~Checkpointer() { stop(); }

    /// `checkpoint` must not throw; called in a thread of its own. Throws system: there is no
    /// thread or event to be had, and nothing would ever become durable.
    void start(const DurabilityOptions& options, std::function<void()> checkpoint,
               std::string_view operation, std::string_view path);
    void stop() noexcept;
    /// In a forked child, which has no such thread.
    void forget() noexcept;

    /// After a commit. `held_bytes`: what waits for readers, and for this; `limit`: the store's.
    void committed(Generation generation, std::uint64_t held_bytes, std::uint64_t limit) noexcept
        STRATA_REQUIRES(commit_role);

private:
    void run() noexcept;

    std::function<void()> checkpoint_;
    std::chrono::milliseconds interval_{0};
    std::uint64_t every_generations_ = 0;
    Generation asked_at_ STRATA_GUARDED_BY(commit_role) = 0;
    std::uint64_t held_when_asked_ STRATA_GUARDED_BY(commit_role) = 0;
    ipc::FileDescriptor event_;
    std::atomic<bool> stopping_{false};
    ipc::BackgroundThread thread_;
};

}  // namespace strata::producer_impl
