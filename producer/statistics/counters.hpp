// SPDX-License-Identifier: Apache-2.0
// What a producer counts since it opened the store. Any thread may count and read.
#pragma once

#include <atomic>
#include <cstdint>

namespace strata::producer_impl {

class Counter {
public:
    void add(std::uint64_t value) noexcept { value_.fetch_add(value, std::memory_order_relaxed); }
    /// Without a lock prefix, which costs as much as a look-up: for holders of the commit lock and
    /// count where nobody else does.
    void add_alone(std::uint64_t value) noexcept {
        value_.store(get() + value, std::memory_order_relaxed);
    }
    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

private:
    std::atomic<std::uint64_t> value_{0};
};

struct Counters {
    Counter commits;
    Counter allocations;    // blocks that commits have published
    Counter deallocations;  // of what was published: blocks that were reclaimed
    Counter allocation_failures;
    Counter relocations;
};

}  // namespace strata::producer_impl
