// SPDX-License-Identifier: Apache-2.0
// The store's memory limit, and what its files hold of it. Thread-safe.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace strata::producer_impl {

/// Who may use the last bytes: a commit that only erases needs a little room for index nodes before
/// it can give anything back, so puts leave it some.
enum class Reserve : unsigned char { keep, use };

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
        const std::uint64_t limit = this->limit();
        const std::uint64_t bound = reserve == Reserve::use ? limit : limit - reserve_of(limit);
        std::uint64_t used = this->used();
        do {
            if (used > bound || bytes > bound - used) {
                return false;
            }
            // Relaxed: a counter, nothing is published through it.
        } while (!used_.compare_exchange_weak(used, used + bytes, std::memory_order_relaxed));
        return true;
    }
    /// Counts bytes that are there already, limit or not (files found at restart).
    void take_existing(std::uint64_t bytes) noexcept {
        used_.fetch_add(bytes, std::memory_order_relaxed);
    }
    void give_back(std::uint64_t bytes) noexcept {
        used_.fetch_sub(bytes, std::memory_order_relaxed);
    }
    /// False if more is in use already.
    bool set_limit(std::uint64_t limit) noexcept {
        // A racing `take` may still succeed against the old limit; the caller holds the commit
        // mutex and tries again until none did.
        const std::uint64_t before = limit_.exchange(limit, std::memory_order_relaxed);
        if (used() > limit) {
            limit_.store(before, std::memory_order_relaxed);
            return false;
        }
        return true;
    }

private:
    std::atomic<std::uint64_t> limit_;
    std::atomic<std::uint64_t> used_{0};
};

}  // namespace strata::producer_impl
