// SPDX-License-Identifier: Apache-2.0
// The queue between the threads that hand changes in and the one that commits them.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include "strata/crystallizer.hpp"

namespace strata::producer_impl {

struct IngestItem;
using ItemPointer = std::shared_ptr<IngestItem>;

/// Many producers, one consumer, first in first out, bounded. Waiting sleeps in the kernel.
class ItemQueue {
public:
    using Clock = std::chrono::steady_clock;
    enum class Pushed : unsigned char { yes, full, closed };

    virtual ~ItemQueue() = default;
    /// Takes `item` only if the answer is yes. `blocked` is set if it had to wait for room.
    virtual Pushed push(ItemPointer& item, bool wait, bool& blocked) = 0;
    /// Adds all that is there to `out`; sleeps until there is something, the queue is closed, or
    /// the deadline passes. False: closed, and nothing is left or will ever come.
    virtual bool fetch(std::vector<ItemPointer>& out,
                       std::optional<Clock::time_point> deadline) = 0;
    /// Nothing is accepted any more; wakes all.
    virtual void close() = 0;
};

std::unique_ptr<ItemQueue> make_item_queue(IngestQueue kind, std::size_t capacity);

}  // namespace strata::producer_impl
