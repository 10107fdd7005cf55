// SPDX-License-Identifier: Apache-2.0
// The queue between the threads that submit changes and the one that commits them: a buffer under
// a mutex, which the committing thread swaps out whole (docs/adr/0003-ingestion-queue.md).
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

namespace strata::producer_impl {

struct IngestItem;
using ItemPointer = std::shared_ptr<IngestItem>;

/// Many submit, one fetches, first in first out, bounded. Waiting sleeps in the kernel.
class ItemQueue {
public:
    using Clock = std::chrono::steady_clock;
    enum class Pushed : unsigned char { yes, full, closed };

    explicit ItemQueue(std::size_t capacity);

    /// Takes `item` only if the answer is yes. `blocked` is set if it had to wait for room.
    Pushed push(ItemPointer& item, bool wait, bool& blocked);
    /// Adds all that is there to `out`; sleeps until there is something, the queue is closed, or
    /// the deadline passes. False: closed, and nothing is left or will ever come.
    bool fetch(std::vector<ItemPointer>& out, std::optional<Clock::time_point> deadline);
    /// Nothing is accepted any more; wakes all.
    void close();

private:
    const std::size_t capacity_;
    std::mutex mutex_;
    std::condition_variable arrived_;
    std::condition_variable room_;
    std::vector<ItemPointer> items_;
    std::size_t waiting_for_room_ = 0;
    bool consumer_sleeps_ = false;
    bool closed_ = false;
};

}  // namespace strata::producer_impl
