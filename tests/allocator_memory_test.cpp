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

TEST_CASE("block allocator: pages are kept back without memory, and no allocation finds them") {
    BlockAllocator allocator(begin, begin + 16 * page_bytes);
    {
        const FailAfter fault(0);
        CHECK(allocator.keep_back(3 * page_bytes).bytes == 3 * page_bytes);
        CHECK(allocator.keep_back(100 * page_bytes).bytes == 5 * page_bytes);
        CHECK(allocator.keep_back(page_bytes).bytes == 0);  // enough
    }
    CHECK(allocator.kept_bytes() == 8 * page_bytes);
    CHECK(allocator.valid());
    CHECK(allocator.statistics().free_bytes == 16 * page_bytes);
    CHECK(allocator.statistics().largest_free_bytes == 16 * page_bytes);
    CHECK(allocator.statistics().free_runs == 1);
    CHECK_FALSE(allocator.allocate(9 * page_bytes, 1));
    CHECK(allocator.extent_needed(9 * page_bytes) == page_bytes);
    const std::uint64_t rest = *allocator.allocate(8 * page_bytes, 1);
    CHECK(allocator.free_runs(page_bytes).empty());
    CHECK_FALSE(allocator.allocate(32, 1));
    allocator.release_last_kept();
    CHECK(allocator.kept_bytes() == 3 * page_bytes);
    CHECK(allocator.allocate(32, 1));
    allocator.release_kept();
    CHECK(allocator.kept_bytes() == 0);
    CHECK(allocator.valid());
    allocator.free(rest);
    CHECK(allocator.statistics().free_bytes == 15 * page_bytes);
}

TEST_CASE("block allocator: a page of an empty slab that is cached can be kept back") {
    BlockAllocator allocator(begin, begin + page_bytes);
    allocator.free(*allocator.allocate(32, 1));
    CHECK(allocator.keep_back(page_bytes).bytes == page_bytes);
    CHECK(allocator.valid());
    allocator.release_kept();
    CHECK(allocator.allocate(32, 1));
}

TEST_CASE(
    "block allocator: what is kept back is committed, in pieces if need be; else it is a hole") {
    BlockAllocator allocator(begin, begin + 64 * page_bytes);
    allocator.mark_hole({begin, 64 * page_bytes});
    for (const std::uint64_t page : {3U, 10U, 12U}) {
        allocator.unmark_hole({begin + page * page_bytes, page_bytes});
    }
    CHECK(allocator.keep_back(4 * page_bytes).offset == begin + 3 * page_bytes);
    CHECK(allocator.keep_back(3 * page_bytes).offset == begin + 10 * page_bytes);
    const Extent last = allocator.keep_back(2 * page_bytes);
    CHECK(last.bytes == page_bytes);
    CHECK(allocator.take_kept_holes(last).empty());
    const Extent hole = allocator.keep_back(2 * page_bytes);
    CHECK(hole.bytes == 2 * page_bytes);
    REQUIRE(allocator.take_kept_holes(hole).size() == 1);
    CHECK(allocator.statistics().hole_bytes == 59 * page_bytes);
    allocator.mark_hole(hole);
    allocator.release_last_kept();
    CHECK(allocator.statistics().hole_bytes == 61 * page_bytes);
    CHECK(allocator.valid());
}
