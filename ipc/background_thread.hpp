// SPDX-License-Identifier: Apache-2.0
// A thread that belongs to an object, in processes that may fork.
#pragma once

#include <exception>
#include <new>
#include <optional>
#include <thread>
#include <utility>

#include "ipc/os.hpp"

namespace strata::ipc {

/// Its owner ends it: `join`, or `abandon` in a forked child.
class BackgroundThread {
public:
    bool running() const noexcept { return thread_.has_value(); }

    /// False if no thread can be had. It gets no signals: those are for the program's own threads.
    template <class Run>
    bool start(Run&& run) noexcept {
        const os::BlockedSignals blocked;
        try {
            thread_.emplace(std::forward<Run>(run));
        } catch (const std::exception&) {
            thread_.reset();
        }
        return running();
    }

    void join() noexcept {
        thread_->join();
        thread_.reset();
    }

    /// In a forked child the thread does not exist: it can be neither joined nor destroyed.
    void abandon() noexcept { new (&thread_) std::optional<std::thread>(); }

private:
    std::optional<std::thread> thread_;
};

}  // namespace strata::ipc
