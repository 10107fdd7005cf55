// SPDX-License-Identifier: Apache-2.0
#include "producer/ingest_queue.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <utility>

#include <boost/lockfree/queue.hpp>

#include "ipc/os.hpp"
#include "producer/ingest.hpp"

namespace strata::producer_impl {

namespace {

class MutexQueue final : public ItemQueue {
public:
    explicit MutexQueue(std::size_t capacity) : capacity_(capacity) { items_.reserve(capacity); }

    Pushed push(ItemPointer& item, bool wait, bool& blocked) override {
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

    bool fetch(std::vector<ItemPointer>& out, std::optional<Clock::time_point> deadline) override {
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

    void close() override {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        arrived_.notify_all();
        room_.notify_all();
    }

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

/// boost::lockfree::queue with a counter of its own (it has none), and two futex words to sleep on.
/// Who is about to sleep says so first and then looks again; who changes something does so first
/// and then looks whether somebody sleeps. All four are sequentially consistent, so one of them
/// sees the other.
class LockfreeQueue final : public ItemQueue {
public:
    explicit LockfreeQueue(std::size_t capacity)
        : capacity_(static_cast<std::int64_t>(capacity)), queue_(capacity) {}
    ~LockfreeQueue() override {
        IngestItem* item = nullptr;
        while (queue_.pop(item)) {
            item->self.reset();
        }
    }

    Pushed push(ItemPointer& item, bool wait, bool& blocked) override {
        // A place is taken before the item is pushed, so the queue's own nodes never run out.
        while (size_.fetch_add(1, std::memory_order_seq_cst) >= capacity_) {
            const std::uint32_t seen = room_word_.load(std::memory_order_seq_cst);
            leave();
            if (closed_.load(std::memory_order_seq_cst)) {
                return Pushed::closed;
            }
            if (!wait) {
                return Pushed::full;
            }
            blocked = true;
            waiting_for_room_.fetch_add(1, std::memory_order_seq_cst);
            if (size_.load(std::memory_order_seq_cst) >= capacity_ &&
                !closed_.load(std::memory_order_seq_cst)) {
                wait_on(room_word_, seen, std::nullopt);
            }
            waiting_for_room_.fetch_sub(1, std::memory_order_seq_cst);
        }
        if (closed_.load(std::memory_order_seq_cst)) {
            leave();
            return Pushed::closed;
        }
        IngestItem* const raw = item.get();
        raw->self = std::move(item);
        queue_.push(raw);
        if (consumer_sleeps_.load(std::memory_order_seq_cst)) {
            wake(arrived_word_);
        }
        return Pushed::yes;
    }

    bool fetch(std::vector<ItemPointer>& out, std::optional<Clock::time_point> deadline) override {
        for (;;) {
            const std::uint32_t seen = arrived_word_.load(std::memory_order_seq_cst);
            if (drain(out)) {
                return true;
            }
            // A place is given up last, so with none taken nobody is about to push.
            const bool closed = closed_.load(std::memory_order_seq_cst);
            if (closed && size_.load(std::memory_order_seq_cst) <= 0) {
                return drain(out) || !out.empty();
            }
            consumer_sleeps_.store(true, std::memory_order_seq_cst);
            // Whoever pushes from here on sees that; whoever pushed before is found by this look.
            const bool found = drain(out);
            bool in_time = true;
            if (!found && !(closed_.load(std::memory_order_seq_cst) && !closed)) {
                in_time = wait_on(arrived_word_, seen, deadline);
            }
            consumer_sleeps_.store(false, std::memory_order_seq_cst);
            if (found || !in_time) {
                return true;
            }
        }
    }

    void close() override {
        closed_.store(true, std::memory_order_seq_cst);
        wake(arrived_word_);
        wake(room_word_);
    }

private:
    static bool wait_on(std::atomic<std::uint32_t>& word, std::uint32_t seen,
                        std::optional<Clock::time_point> deadline) {
        return ipc::os::futex_wait(reinterpret_cast<const std::uint32_t*>(&word), seen, deadline);
    }
    static void wake(std::atomic<std::uint32_t>& word) {
        word.fetch_add(1, std::memory_order_seq_cst);
        ipc::os::futex_wake(reinterpret_cast<const std::uint32_t*>(&word));
    }
    void leave() {
        size_.fetch_sub(1, std::memory_order_seq_cst);
        if (closed_.load(std::memory_order_seq_cst)) {
            wake(arrived_word_);  // it may wait for the last place to be given up
        }
    }
    bool drain(std::vector<ItemPointer>& out) {
        IngestItem* item = nullptr;
        std::int64_t count = 0;
        while (queue_.pop(item)) {
            out.push_back(std::move(item->self));
            ++count;
        }
        if (count == 0) {
            return false;
        }
        size_.fetch_sub(count, std::memory_order_seq_cst);
        if (waiting_for_room_.load(std::memory_order_seq_cst) > 0) {
            wake(room_word_);
        }
        return true;
    }

    const std::int64_t capacity_;
    boost::lockfree::queue<IngestItem*> queue_;
    std::atomic<std::int64_t> size_{0};
    std::atomic<std::uint32_t> arrived_word_{0};
    std::atomic<std::uint32_t> room_word_{0};
    std::atomic<std::uint32_t> waiting_for_room_{0};
    std::atomic<bool> consumer_sleeps_{false};
    std::atomic<bool> closed_{false};
};

}  // namespace

std::unique_ptr<ItemQueue> make_item_queue(IngestQueue kind, std::size_t capacity) {
    if (kind == IngestQueue::lockfree) {
        return std::make_unique<LockfreeQueue>(capacity);
    }
    return std::make_unique<MutexQueue>(capacity);
}

}  // namespace strata::producer_impl
