// SPDX-License-Identifier: Apache-2.0
// How much private memory the look-up cache of one attachment may take, and takes.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

namespace strata::consumer_impl {

/// Lists are taken within the limit; what a dimension that is looked into needs in any case is only
/// counted. By default the limit is an eighth of the store (at least 256 KiB), and 64 MiB for all
/// attachments of the process. Guarded by the mutex of its cache's owner, except `used` and
/// `limit`.
class CacheMemory {
public:
    static constexpr std::uint64_t default_limit = std::uint64_t{64} << 20;
    static constexpr std::uint64_t least_default = std::uint64_t{256} << 10;
    static constexpr std::uint64_t share_of_store = 8;

    explicit CacheMemory(std::optional<std::uint64_t> limit) noexcept
        : fixed_(limit.has_value()), limit_(limit.value_or(0)) {}
    CacheMemory(const CacheMemory&) = delete;
    CacheMemory& operator=(const CacheMemory&) = delete;
    ~CacheMemory() { of_process.fetch_sub(lists(), std::memory_order_relaxed); }

    /// All of it, and what lists have of it.
    std::uint64_t used() const noexcept { return lists() + other_.load(std::memory_order_relaxed); }
    std::uint64_t lists() const noexcept { return lists_.load(std::memory_order_relaxed); }
    std::uint64_t limit() const noexcept { return limit_.load(std::memory_order_relaxed); }

    /// The store has so many bytes now.
    void follow_store(std::uint64_t live_bytes) noexcept {
        if (!fixed_) {
            limit_.store(std::clamp(live_bytes / share_of_store, least_default, default_limit),
                         std::memory_order_relaxed);
        }
    }
    /// Bytes that `take` would give now.
    std::uint64_t available() const noexcept {
        const std::uint64_t own = left(limit(), lists());
        const std::uint64_t process = of_process.load(std::memory_order_relaxed);
        return fixed_ ? own : std::min(own, left(default_limit, process));
    }
    /// For a list.
    bool take(std::uint64_t bytes) noexcept {
        const bool fits = bytes <= available();
        if (fits) {
            lists_.fetch_add(bytes, std::memory_order_relaxed);
            of_process.fetch_add(bytes, std::memory_order_relaxed);
        }
        return fits;
    }
    void give_back(std::uint64_t bytes) noexcept {
        lists_.fetch_sub(bytes, std::memory_order_relaxed);
        of_process.fetch_sub(bytes, std::memory_order_relaxed);
    }
    /// For anything else.
    void count(std::uint64_t bytes) noexcept { other_.fetch_add(bytes, std::memory_order_relaxed); }
    void discount(std::uint64_t bytes) noexcept {
        other_.fetch_sub(bytes, std::memory_order_relaxed);
    }

private:
    static std::uint64_t left(std::uint64_t limit, std::uint64_t used) noexcept {
        return limit > used ? limit - used : 0;
    }

    // Of all caches; threads that take at once may exceed the limit by a list each.
    static inline constinit std::atomic<std::uint64_t> of_process{0};

    const bool fixed_;
    std::atomic<std::uint64_t> limit_;
    std::atomic<std::uint64_t> lists_{0};
    std::atomic<std::uint64_t> other_{0};
};

}  // namespace strata::consumer_impl
