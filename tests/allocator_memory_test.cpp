// SPDX-License-Identifier: Apache-2.0
// What the block allocator takes of the heap, and when: not where it could not undo what it has
// done, and not more often the larger a region is.
#include <cstdint>
#include <new>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/allocator_model.hpp"
#include "tests/support/failing_allocations.hpp"

using namespace strata::producer_impl;
using namespace strata::test;

TEST_CASE("block allocator: holes that were taken become holes again without memory") {
    BlockAllocator allocator(begin, begin + 128 * page_bytes);
    allocator.mark_hole({begin, 128 * page_bytes});
    const std::uint64_t all = *allocator.allocate(128 * page_bytes, 1);
    const std::vector<Extent> holes = allocator.take_holes(all);
    REQUIRE(holes.size() == 1);
    REQUIRE_FALSE(allocator.has_holes());
    {
        const FailAfter fault(0);  // the file system is full, and so is the heap
        allocator.mark_hole(holes[0]);
    }
    allocator.free(all);
    CHECK(allocator.statistics().hole_bytes == 128 * page_bytes);
    CHECK(allocator.valid());
    allocator.extend(begin + 1000 * page_bytes);
    CHECK(allocator.valid());
    CHECK(*allocator.allocate(page_bytes * 3, 1) == begin + 128 * page_bytes);
}

TEST_CASE("block allocator: a region that grows in small steps is copied a few times") {
    BlockAllocator allocator(begin, begin + 32 * page_bytes);
    constexpr std::uint64_t steps = 4096;
    constexpr std::uint64_t plenty = 1'000'000;
    std::uint64_t allocations = 0;
    {
        const FailAfter count(plenty);
        for (std::uint64_t step = 2; step <= steps; ++step) {
            allocator.extend(begin + step * 32 * page_bytes);
        }
        allocations = plenty - allocations_left;
    }
    CHECK(allocations > 0);
    CHECK(allocations < 200);
    CHECK(allocator.valid());
}
