// SPDX-License-Identifier: Apache-2.0
// The store's memory limit, and what its files hold of it. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>

namespace strata::producer_impl {

/// Who may use the last bytes: a commit that only erases needs a little room for index nodes before
/// it can give anything back, so others leave it some (keep_half); and puts leave as much again
/// (keep), for the index nodes of the commit that will publish them.
enum class Reserve : unsigned char { keep, keep_half, use };

class MemoryBudget {
public:
    explicit MemoryBudget(std::uint64_t limit) noexcept : limit_(limit) {}

    std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }
    std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }
    static std::uint64_t reserve_of(std::uint64_t limit) noexcept {
        return std::min<std::uint64_t>(256 << 10, limit / 16);
    }

    /// Counts `bytes` as used if they fit; never lets `used` pass the limit.
    bool take(std::uint64_t bytes, Reserve reserve) noexcept {
        const std::lock_guard lock(mutex_);
        const std::uint64_t limit = this->limit();
        const std::uint64_t kept = reserve == Reserve::keep        ? reserve_of(limit)
                                   : reserve == Reserve::keep_half ? reserve_of(limit) / 2
                                                                   : 0;
        const std::uint64_t bound = limit - kept;
        const std::uint64_t used = this->used();
        if (used > bound || bytes > bound - used) {
            return false;
        }
        used_.store(used + bytes, std::memory_order_relaxed);
        return true;
    }
    /// Counts bytes that are there already, limit or not (files found at restart).
    void take_existing(std::uint64_t bytes) noexcept {
        const std::lock_guard lock(mutex_);
        used_.store(used() + bytes, std::memory_order_relaxed);
    }
    /// Call it once the memory is really gone, not before.
    void give_back(std::uint64_t bytes) noexcept {
        const std::lock_guard lock(mutex_);
        used_.store(used() - bytes, std::memory_order_relaxed);
    }
    /// False if more is in use already: the limit is unchanged then.
    bool set_limit(std::uint64_t limit) noexcept {
        const std::lock_guard lock(mutex_);
        if (used() > limit) {
            return false;
        }
        limit_.store(limit, std::memory_order_relaxed);
        return true;
    }

private:
    std::mutex mutex_;  // taken only when a file grows or shrinks; plain reads need none
    std::atomic<std::uint64_t> limit_;
    std::atomic<std::uint64_t> used_{0};
};

}  // namespace strata::producer_impl
