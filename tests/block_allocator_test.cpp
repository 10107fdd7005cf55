// SPDX-License-Identifier: Apache-2.0
#include "producer/memory/block_allocator.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <random>
#include <stdexcept>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/allocator_model.hpp"

using namespace strata::producer_impl;
using namespace strata::test;

namespace {

constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();

}  // namespace

TEST_CASE("block allocator: a full region says so, and extent_needed is enough and no more") {
    BlockAllocator allocator(begin, begin + 8 * page_bytes);
    SUBCASE("small blocks") {
        std::vector<std::uint64_t> offsets;
        while (const auto offset = allocator.allocate(64, 1)) {
            offsets.push_back(*offset);
        }
        CHECK(offsets.size() == 8 * 64);
        CHECK(allocator.valid());
        allocator.free(offsets[17]);
        CHECK(allocator.extent_needed(64) == 0);
        CHECK(allocator.allocate(64, 2).value() == offsets[17]);
        CHECK(allocator.extent_needed(64) == page_bytes);
        allocator.extend(allocator.end() + page_bytes);
        CHECK(allocator.extent_needed(64) == 0);
        CHECK(allocator.allocate(64, 1));
    }
    SUBCASE("a run takes the free pages at the end into account") {
        REQUIRE(allocator.allocate(20 * 1024, 1));
        CHECK(allocator.extent_needed(40 * 1024) == 7 * page_bytes);
        CHECK_FALSE(allocator.allocate(40 * 1024, 1));
        allocator.extend(allocator.end() + 7 * page_bytes);
        CHECK(allocator.allocate(40 * 1024, 1) == begin + 5 * page_bytes);
        CHECK(allocator.extent_needed(64) == page_bytes);
    }
    SUBCASE("a slab must be aligned to its size") {
        CHECK_FALSE(allocator.allocate(7168, 1));  // of eight pages
        CHECK(allocator.extent_needed(7168) == (16 - 9) * page_bytes);
        allocator.extend(16 * page_bytes);
        CHECK(allocator.extent_needed(7168) == 0);
        CHECK(allocator.allocate(7168, 1) == 8 * page_bytes);
    }
    SUBCASE("an empty region grows from nothing") {
        BlockAllocator empty(begin, begin);
        CHECK_FALSE(empty.allocate(1, 1));
        CHECK_FALSE(empty.allocate(mebibyte, 1));
        CHECK(empty.valid());
        CHECK(allocate_or_extend(empty, mebibyte) == begin);
        CHECK(empty.end() == begin + mebibyte);
        empty.extend(empty.end());
        CHECK(empty.valid());
    }
    CHECK(allocator.valid());
}

TEST_CASE("block allocator: freed neighbours join, in any order") {
    std::mt19937_64 random(5);
    for (int round = 0; round < 50; ++round) {
        BlockAllocator allocator(begin, begin + mebibyte);
        std::vector<std::uint64_t> offsets;
        while (const auto offset = allocator.allocate(16385 + random() % 40000, 1)) {
            offsets.push_back(*offset);
        }
        while (const auto offset = allocator.allocate(1 + random() % 4096, 1)) {
            offsets.push_back(*offset);
        }
        std::shuffle(offsets.begin(), offsets.end(), random);
        for (const std::uint64_t offset : offsets) {
            allocator.free(offset);
        }
        REQUIRE(all_free(allocator));
        REQUIRE(allocator.allocate(mebibyte, 1) == begin);
    }
}

TEST_CASE("block allocator: cached empty slabs are given up before the region is full") {
    BlockAllocator allocator(begin, begin + mebibyte);
    for (const SizeClass& size_class : size_classes) {
        allocator.free(allocate_or_extend(allocator, size_class.block_bytes));
    }
    CHECK(allocator.statistics().slab_bytes > 0);
    CHECK(allocator.valid());
    CHECK(allocator.allocate(allocator.end() - allocator.begin(), 1) == begin);
    CHECK(allocator.statistics().slab_bytes == 0);
    CHECK(allocator.valid());
}

TEST_CASE("block allocator: a class keeps at most one empty slab") {
    BlockAllocator allocator(begin, begin + mebibyte);
    std::vector<std::uint64_t> offsets;
    for (int i = 0; i < 1000; ++i) {
        offsets.push_back(*allocator.allocate(320, 1));
    }
    const std::size_t index = class_for(320, 1);
    CHECK(allocator.statistics().classes[index].block_bytes == 320);
    CHECK(allocator.statistics().classes[index].used_blocks == 1000);
    std::shuffle(offsets.begin() + 1, offsets.end(), std::mt19937_64(9));
    for (const std::uint64_t offset : offsets) {
        allocator.free(offset);
    }
    CHECK(allocator.statistics().classes[index].used_blocks == 0);
    CHECK(allocator.statistics().classes[index].slabs == 1);
    CHECK(allocator.allocate(320, 1).value() == offsets[0]);  // the lowest one
    allocator.free(offsets[0]);
    CHECK(all_free(allocator));
}

TEST_CASE("block allocator: the best fitting free run is taken, so big ones stay whole") {
    BlockAllocator allocator(begin, begin + 200 * page_bytes);
    const auto pages = [](std::uint64_t count) { return count * page_bytes; };
    const std::uint64_t big = *allocator.allocate(pages(50), 1);
    (void)*allocator.allocate(pages(5), 1);
    const std::uint64_t exact = *allocator.allocate(pages(40), 1);
    (void)*allocator.allocate(pages(5), 1);
    const std::uint64_t small = *allocator.allocate(pages(7), 1);
    (void)*allocator.allocate(pages(93), 1);
    allocator.free(big);
    allocator.free(exact);
    allocator.free(small);
    CHECK(allocator.allocate(pages(6), 1) == small);
    CHECK(allocator.allocate(pages(39), 1) == exact);
    CHECK(allocator.allocate(pages(41), 1) == big);
    CHECK(allocator.valid());
}

TEST_CASE("block allocator: free runs at both ends of the region are fitted like the others") {
    BlockAllocator allocator(0, 128 * page_bytes);
    const std::uint64_t first = *allocator.allocate(7 * page_bytes, 1);
    const std::uint64_t wall = *allocator.allocate(20 * page_bytes, 1);
    const std::uint64_t middle = *allocator.allocate(50 * page_bytes, 1);
    const std::uint64_t other_wall = *allocator.allocate(42 * page_bytes, 1);
    const std::uint64_t last = *allocator.allocate(9 * page_bytes, 1);
    REQUIRE(last + 9 * page_bytes == allocator.end());
    allocator.free(first);
    allocator.free(middle);
    allocator.free(last);
    CHECK(allocator.allocate(6 * page_bytes, 1).value() == first);
    CHECK(allocator.allocate(8 * page_bytes, 1).value() == last);
    allocator.free(first);
    allocator.free(last);
    allocator.free(wall);
    allocator.free(other_wall);
    CHECK(all_free(allocator));
}

TEST_CASE("block allocator: random traces agree with a shadow model") {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
        CAPTURE(seed);
        std::mt19937_64 random(seed);
        BlockAllocator allocator(begin, begin);
        Shadow shadow;
        random_trace(allocator, shadow, random, 30000);
        while (!shadow.offsets.empty()) {
            allocator.free(shadow.take(random() % shadow.offsets.size()));
        }
        CHECK(allocator.statistics().used_bytes == 0);
        CHECK(allocator.statistics().requested_bytes == 0);
        CHECK(all_free(allocator));
    }
}

TEST_CASE("block allocator: a region that begins anywhere keeps its slabs aligned") {
    std::mt19937_64 random(21);
    for (const std::uint64_t first : {0U, 1U, 3U, 63U, 64U, 65U, 1000U}) {
        BlockAllocator allocator(first * page_bytes, first * page_bytes);
        std::vector<std::uint64_t> offsets;
        for (int i = 0; i < 2000; ++i) {
            offsets.push_back(allocate_or_extend(allocator, random_bytes(random)));
            REQUIRE(offsets.back() >= allocator.begin());
        }
        REQUIRE(allocator.valid());
        for (const std::uint64_t offset : offsets) {
            allocator.free(offset);
        }
        REQUIRE(all_free(allocator));
    }
}

TEST_CASE("block allocator: steady churn of mixed sizes loses at most 15 % to fragmentation") {
    for (const bool waves : {false, true}) {
        CAPTURE(waves);
        std::mt19937_64 random(8);
        BlockAllocator allocator(begin, begin);
        std::vector<std::uint64_t> offsets;
        std::uint64_t live = 0;
        std::uint64_t peak = 0;
        std::uint64_t settled_end = 0;
        constexpr int steps = 400000;
        for (int step = 0; step < steps; ++step) {
            // Waves also change which sizes are common, so that slabs must move between classes.
            const double phase = waves ? std::sin(step / 20000.0) : 0.0;
            const auto target = static_cast<std::uint64_t>((45.0 + 3.0 * phase) * mebibyte);
            if (live < target) {
                const std::uint64_t bytes =
                    phase > 0.5 && random() % 4 != 0 ? 1 + random() % 1024 : random_bytes(random);
                offsets.push_back(allocate_or_extend(allocator, bytes));
                live += allocator.block_bytes(offsets.back());
                peak = std::max(peak, live);
            } else {
                std::swap(offsets[random() % offsets.size()], offsets.back());
                live -= allocator.free(offsets.back());
                offsets.pop_back();
            }
            if (step == steps / 2) {
                settled_end = allocator.end();
            }
        }
        const std::uint64_t managed = allocator.end() - begin;
        CHECK(static_cast<double>(managed - peak) <= 0.15 * static_cast<double>(managed));
        CHECK(static_cast<double>(allocator.end() - settled_end) <=
              0.02 * static_cast<double>(settled_end));
        CHECK(allocator.statistics().used_bytes == live);
        CHECK(allocator.statistics().slab_fragmentation() < 0.35);
        CHECK(allocator.statistics().external_fragmentation(pool_count - 1) <= 1.0);
        CHECK(allocator.valid());
    }
}

// The figures of docs/adr/0018. What trimming does not give back is the free blocks in slabs.

TEST_CASE(
    "block allocator: small regions lose more, most of it to free pages that can be trimmed") {
    struct Row {
        std::uint64_t live_kib;
        double lost;            // share of the managed bytes beyond the most that was ever live
        double after_trimming;  // share of them that stays committed and holds nothing
    };
    for (const Row& row : {Row{512, 0.55, 0.35}, Row{1024, 0.45, 0.22}, Row{2048, 0.36, 0.16},
                           Row{4096, 0.28, 0.11}, Row{16384, 0.16, 0.07}, Row{46080, 0.12, 0.05}}) {
        CAPTURE(row.live_kib);
        double lost = 0;
        double after_trimming = 0;
        constexpr int seeds = 3;
        for (int seed = 1; seed <= seeds; ++seed) {
            std::mt19937_64 random(static_cast<std::uint64_t>(seed));
            BlockAllocator allocator(begin, begin);
            std::vector<std::uint64_t> offsets;
            std::uint64_t live = 0;
            std::uint64_t peak = 0;
            for (int step = 0; step < 100'000; ++step) {
                if (live < row.live_kib * 1024) {
                    offsets.push_back(allocate_or_extend(allocator, random_bytes(random)));
                    live += allocator.block_bytes(offsets.back());
                    peak = std::max(peak, live);
                } else {
                    std::swap(offsets[random() % offsets.size()], offsets.back());
                    live -= allocator.free(offsets.back());
                    offsets.pop_back();
                }
            }
            const strata::MemoryStatistics stats = allocator.statistics();
            const auto managed = static_cast<double>(stats.managed_bytes);
            lost += (managed - static_cast<double>(peak)) / managed / seeds;
            std::uint64_t trimmed = 0;
            for (const Extent& run : allocator.free_runs(page_bytes)) {
                trimmed += run.bytes;
            }
            const double committed = managed - static_cast<double>(trimmed);
            after_trimming += (committed - static_cast<double>(live)) / committed / seeds;
        }
        CHECK(lost <= row.lost);
        CHECK(after_trimming <= row.after_trimming);
    }
}

TEST_CASE("block allocator: absurd sizes are refused without overflow") {
    BlockAllocator allocator(begin, begin + mebibyte);
    for (const std::uint64_t bytes : {huge, huge - 1, huge - 4095, huge - 4096, huge / 2,
                                      huge / 4096, std::uint64_t{1} << 44}) {
        for (const std::uint64_t alignment : {64U, 4096U}) {
            CAPTURE(bytes);
            CHECK_FALSE(allocator.allocate(bytes, 1, alignment));
            const std::uint64_t needed = allocator.extent_needed(bytes, alignment);
            CHECK(needed % page_bytes == 0);
            CHECK(needed <= huge - allocator.end());
            CHECK(needed >= std::min(bytes - mebibyte, huge - 4095 - allocator.end()));
            CHECK(BlockAllocator::rounded_bytes(bytes, alignment) >= bytes / 4096 * 4096);
            CHECK_THROWS_AS(allocator.extend(allocator.end() + needed), std::length_error);
        }
    }
    CHECK(allocator.end() == begin + mebibyte);
    CHECK(all_free(allocator));
    CHECK_THROWS_AS(BlockAllocator(0, huge - 4095), std::length_error);
}

TEST_CASE("block allocator: moving it keeps its blocks") {
    BlockAllocator allocator(begin, begin + mebibyte);
    const std::uint64_t block = *allocator.allocate(100, 7);
    const std::uint64_t run = *allocator.allocate(100000, 8);
    BlockAllocator moved(std::move(allocator));
    CHECK(moved.birth(block) == 7);
    CHECK(moved.birth(run) == 8);
    BlockAllocator assigned(0, page_bytes);
    CHECK(assigned.allocate(64, 1));
    assigned = std::move(moved);
    CHECK(assigned.free(block) == 112);
    CHECK(assigned.free(run) == 25 * page_bytes);
    CHECK(all_free(assigned));
}
