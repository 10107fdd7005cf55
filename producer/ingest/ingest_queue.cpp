// SPDX-License-Identifier: Apache-2.0
#include "producer/ingest/ingest_queue.hpp"

#include <iterator>
#include <utility>

#include "producer/ingest/ingest.hpp"

namespace strata::producer_impl {

ItemQueue::ItemQueue(std::size_t capacity) : capacity_(capacity) { items_.reserve(capacity); }

ItemQueue::Pushed ItemQueue::push(ItemPointer& item, bool wait, bool& blocked) {
    bool wake = false;
    {
        std::unique_lock lock(mutex_);
        if (items_.size() >= capacity_ && !closed_ && wait) {
            blocked = true;
            ++waiting_for_room_;
            room_.wait(lock, [&] { return items_.size() < capacity_ || closed_; });
            --waiting_for_room_;
        }
        if (closed_) {
            return Pushed::closed;
        }
        if (items_.size() >= capacity_) {
            return Pushed::full;
        }
        items_.push_back(std::move(item));
        wake = std::exchange(consumer_sleeps_, false);
    }
    if (wake) {
        arrived_.notify_one();
    }
    return Pushed::yes;
}

bool ItemQueue::fetch(std::vector<ItemPointer>& out, std::optional<Clock::time_point> deadline) {
    std::unique_lock lock(mutex_);
    const auto ready = [&] { return !items_.empty() || closed_; };
    while (!ready()) {
        consumer_sleeps_ = true;
        if (!deadline) {
            arrived_.wait(lock);
        } else if (arrived_.wait_until(lock, *deadline) == std::cv_status::timeout) {
            break;
        }
    }
    consumer_sleeps_ = false;
    if (out.empty() && out.capacity() >= capacity_) {
        out.swap(items_);
    } else {
        std::move(items_.begin(), items_.end(), std::back_inserter(out));
        items_.clear();
    }
    const bool more = !closed_ || !out.empty();
    const bool wake = waiting_for_room_ > 0;
    lock.unlock();
    if (wake) {
        room_.notify_all();
    }
    return more;
}

void ItemQueue::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    arrived_.notify_all();
    room_.notify_all();
}

}  // namespace strata::producer_impl
