// SPDX-License-Identifier: Apache-2.0
// Replaces operator new of the program that includes it, in one of its sources: allocations of a
// thread can be made to fail, by their number or by their size.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>

namespace strata::test {

inline constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
inline thread_local std::uint64_t allocations_left = never;
inline thread_local std::uint64_t largest_allocation = never;

/// The next `count` allocations of this thread succeed, the one after them fails.
class FailAfter {
public:
    explicit FailAfter(std::uint64_t count) { allocations_left = count; }
    FailAfter(const FailAfter&) = delete;
    FailAfter& operator=(const FailAfter&) = delete;
    ~FailAfter() { allocations_left = never; }
};

/// While it lives, this thread's allocations of more than `bytes` fail.
class FailAbove {
public:
    explicit FailAbove(std::uint64_t bytes) { largest_allocation = bytes; }
    FailAbove(const FailAbove&) = delete;
    FailAbove& operator=(const FailAbove&) = delete;
    ~FailAbove() { largest_allocation = never; }
};

inline void* allocate_or_null(std::size_t bytes) noexcept {
    if (bytes > largest_allocation) {
        return nullptr;
    }
    if (allocations_left != never && allocations_left-- == 0) {
        allocations_left = never;
        return nullptr;
    }
    return std::malloc(bytes == 0 ? 1 : bytes);
}

inline void* allocate_or_fail(std::size_t bytes) {
    if (void* const memory = allocate_or_null(bytes)) {
        return memory;
    }
    throw std::bad_alloc();
}

}  // namespace strata::test

void* operator new(std::size_t bytes) { return strata::test::allocate_or_fail(bytes); }
void* operator new[](std::size_t bytes) { return strata::test::allocate_or_fail(bytes); }
// The sanitizers have these two for themselves otherwise.
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return strata::test::allocate_or_null(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
    return strata::test::allocate_or_null(bytes);
}
// Not inlined: GCC would see memory of `new` in `free` and warn of a mismatch.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
