// SPDX-License-Identifier: Apache-2.0
// Waiting for a newer generation: blocking, and through a descriptor that becomes readable.
#pragma once

#include <atomic>
#include <optional>
#include <string_view>

#include "consumer/attachment/attachment.hpp"
#include "consumer/attachment/watcher.hpp"
#include "consumer/views/view_pool.hpp"
#include "ipc/mutex.hpp"
#include "ipc/os/fault.hpp"

namespace strata::consumer_impl {

class Notifier {
public:
    /// Both outlive it.
    Notifier(const Attachment& attachment, ViewPool& views);

    WaitResult wait(Generation seen, const WaitOptions& options);
    const ipc::FileDescriptor& event_descriptor();
    Generation acknowledge_event();
    /// Takes the place of another notifier: what was acknowledged there counts as acknowledged
    /// here, but nothing of another store does.
    void continue_acknowledging(const Notifier& before) noexcept;

    /// Its thread ends.
    void stop() noexcept { watcher_.stop(); }

    // Around fork(2): the mutex is held from the first to one of the others.
    void prepare_fork() noexcept STRATA_NO_THREAD_ANALYSIS { mutex_.lock(); }
    void parent_after_fork() noexcept STRATA_NO_THREAD_ANALYSIS { mutex_.unlock(); }
    void child_after_fork() noexcept STRATA_NO_THREAD_ANALYSIS;

private:
    void announce() noexcept;
    void keep_fault_handler() noexcept;
    Generation generation_for(std::string_view verb) const;

    const Attachment& attachment_;
    ViewPool& views_;

    ipc::Mutex mutex_;  // held together with the views' only around a fork
    std::optional<ipc::FaultHandler> fault_handler_ STRATA_GUARDED_BY(mutex_);  // of the first wait
    std::atomic<bool> fault_handler_kept_{false};
    ipc::FileDescriptor event_ STRATA_GUARDED_BY(mutex_);
    std::atomic<Generation> acknowledged_;
    std::atomic<bool> announced_{false};  // to the producer, that somebody here waits
    /// Signals the event. Started under the mutex, stopped without it.
    Watcher watcher_;
};

}  // namespace strata::consumer_impl
