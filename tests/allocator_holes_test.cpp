// SPDX-License-Identifier: Apache-2.0
// Free pages of which the memory was given back: avoided while others fit, reported when used.
#include <cstdint>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/allocator_model.hpp"

using namespace strata::producer_impl;
using namespace strata::test;

TEST_CASE("block allocator: committed space is used before holes") {
    BlockAllocator allocator(begin, begin + 128 * page_bytes);
    const std::uint64_t a = *allocator.allocate(40 * page_bytes, 1);
    const std::uint64_t b = *allocator.allocate(40 * page_bytes, 1);
    allocator.free(a);
    REQUIRE(allocator.free_runs(41 * page_bytes).size() == 1);
    for (const Extent extent : allocator.free_runs(40 * page_bytes)) {
        allocator.mark_hole(extent);
    }
    CHECK(allocator.has_holes());
    CHECK(allocator.free_runs(0).empty());
    CHECK(allocator.statistics().hole_bytes == 88 * page_bytes);
    CHECK(allocator.statistics().free_bytes == 88 * page_bytes);
    allocator.free(b);
    CHECK(allocator.valid());

    const std::uint64_t committed = *allocator.allocate(30 * page_bytes, 1);
    CHECK(committed == b);
    CHECK(allocator.take_holes(committed).empty());

    const std::uint64_t mixed = *allocator.allocate(55 * page_bytes, 1);
    CHECK(mixed == b + 30 * page_bytes);
    const std::vector<Extent> holes = allocator.take_holes(mixed);
    REQUIRE(holes.size() == 1);
    CHECK(holes[0].offset == b + 40 * page_bytes);
    CHECK(holes[0].bytes == mixed + 55 * page_bytes - holes[0].offset);
    CHECK(allocator.take_holes(mixed).empty());
    CHECK(allocator.valid());

    allocator.free(mixed);
    allocator.free(committed);
    CHECK(allocator.valid());
    CHECK(allocator.allocate(128 * page_bytes, 1) == begin);
    CHECK_FALSE(allocator.take_holes(begin).empty());
    CHECK_FALSE(allocator.has_holes());
    CHECK(allocator.valid());
}

TEST_CASE("block allocator: a slab on holes reports the whole slab once") {
    BlockAllocator allocator(begin, begin + 63 * page_bytes);
    allocator.mark_hole({begin, 63 * page_bytes});
    const std::uint64_t first = *allocator.allocate(4096, 1);
    const std::uint64_t slab_bytes = size_classes[class_for(4096, 1)].slab_bytes();
    const std::vector<Extent> holes = allocator.take_holes(first);
    REQUIRE(holes.size() == 1);
    CHECK(holes[0].offset == first);
    CHECK(holes[0].bytes == slab_bytes);
    CHECK(allocator.take_holes(*allocator.allocate(4096, 1)).empty());

    SUBCASE("if committing fails they can be marked again, and are reported again") {
        const std::uint64_t run = *allocator.allocate(8 * page_bytes, 1);
        for (const Extent hole : allocator.take_holes(run)) {
            allocator.mark_hole(hole);
        }
        allocator.free(run);
        const std::uint64_t block = *allocator.allocate(2048, 1);
        for (const Extent hole : allocator.take_holes(block)) {
            allocator.mark_hole(hole);
        }
        allocator.free(block);  // its slab is kept as the empty one
        CHECK(allocator.valid());
        CHECK_FALSE(allocator.take_holes(*allocator.allocate(2048, 1)).empty());
        CHECK_FALSE(allocator.take_holes(*allocator.allocate(8 * page_bytes, 1)).empty());
    }
    CHECK(allocator.valid());
}

TEST_CASE("block allocator: random traces with trims always know what is committed") {
    std::mt19937_64 random(31);
    BlockAllocator allocator(begin, begin);
    std::vector<bool> committed;
    Shadow shadow;
    std::uint64_t target = 0;
    for (int step = 0; step < 30000; ++step) {
        if (step % 1000 == 0) {
            target = random() % (12 * mebibyte);
            for (const Extent extent : allocator.free_runs(random() % (256 * 1024))) {
                for (std::uint64_t i = 0; i < extent.bytes; i += page_bytes) {
                    REQUIRE(committed[(extent.offset + i) / page_bytes]);
                    committed[(extent.offset + i) / page_bytes] = false;
                }
                allocator.mark_hole(extent);
            }
            REQUIRE(allocator.valid());
        }
        if (shadow.live_bytes >= target && !shadow.offsets.empty()) {
            allocator.free(shadow.take(random() % shadow.offsets.size()));
            continue;
        }
        const std::uint64_t bytes = random_bytes(random, true);
        const std::uint64_t offset = allocate_or_extend(allocator, bytes);
        committed.resize(allocator.end() / page_bytes, true);
        if (allocator.has_holes()) {
            for (const Extent extent : allocator.take_holes(offset)) {
                for (std::uint64_t i = 0; i < extent.bytes; i += page_bytes) {
                    REQUIRE_FALSE(committed[(extent.offset + i) / page_bytes]);
                    committed[(extent.offset + i) / page_bytes] = true;
                }
            }
        }
        const std::uint64_t rounded = BlockAllocator::rounded_bytes(bytes);
        for (std::uint64_t at = offset / page_bytes; at * page_bytes < offset + rounded; ++at) {
            REQUIRE(committed[at]);
        }
        shadow.add(offset, {bytes, 64, rounded, 0});
    }
    CHECK(allocator.valid());
}
