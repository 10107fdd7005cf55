// SPDX-License-Identifier: Apache-2.0
// A thread that sleeps on a shared word and does something each time it is woken.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "ipc/background_thread.hpp"

namespace strata::consumer_impl {

class Watcher {
public:
    Watcher() = default;
    Watcher(const Watcher&) = delete;
    Watcher& operator=(const Watcher&) = delete;
    ~Watcher() { stop(); }

    bool running() const noexcept { return thread_.running(); }
    /// Calls `act` whenever `word` has changed or its futex was woken, or `period` has passed; also
    /// at once, unless the word is still what it was when somebody last acted: `acted_at`. The
    /// thread is guarded meanwhile: if the word's file is cut short, `act` reads zeros, now and
    /// then. False if no thread can be started.
    bool start(const std::uint64_t& word, std::optional<std::uint64_t> acted_at,
               std::optional<std::chrono::milliseconds> period, std::function<void()> act) noexcept;
    void stop() noexcept;
    /// In a forked child, which has no such thread.
    void forget() noexcept;

private:
    struct Shared;
    ipc::BackgroundThread thread_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace strata::consumer_impl
