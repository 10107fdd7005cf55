// SPDX-License-Identifier: Apache-2.0
#include "producer/block_allocator.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <stdexcept>
#include <vector>

#include <doctest/doctest.h>

using namespace strata::producer_impl;

namespace {

constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t begin = page_bytes;
constexpr std::uint64_t mebibyte = 1024 * 1024;

// All of [begin, end) is one free run again.
bool all_free(BlockAllocator& allocator) {
    const std::vector<Extent> runs = allocator.free_runs(0);
    return runs.size() == 1 && runs[0].offset == allocator.begin() &&
           runs[0].bytes == allocator.end() - allocator.begin() && allocator.valid();
}

std::uint64_t allocate_or_extend(BlockAllocator& allocator, std::uint64_t bytes,
                                 std::uint64_t birth = 0, std::uint64_t alignment = block_unit) {
    std::optional<std::uint64_t> offset = allocator.allocate(bytes, birth, alignment);
    if (!offset) {
        const std::uint64_t needed = allocator.extent_needed(bytes, alignment);
        REQUIRE(needed > 0);
        REQUIRE(needed % page_bytes == 0);
        allocator.extend(allocator.end() + needed);
        offset = allocator.allocate(bytes, birth, alignment);
    }
    REQUIRE(offset);
    return *offset;
}

// What the allocator must agree with: every live block, by offset.
struct Shadow {
    struct Block {
        std::uint64_t bytes;
        std::uint64_t alignment;
        std::uint64_t rounded;
        std::uint64_t birth;
    };

    std::map<std::uint64_t, Block> blocks;
    std::vector<std::uint64_t> offsets;  // the same, to pick from at random
    std::uint64_t live_bytes = 0;
    std::uint64_t requested_bytes = 0;

    void add(std::uint64_t offset, const Block& block) {
        const auto [at, is_new] = blocks.emplace(offset, block);
        REQUIRE(is_new);
        if (at != blocks.begin()) {
            const auto before = std::prev(at);
            REQUIRE(before->first + before->second.rounded <= offset);
        }
        if (const auto after = std::next(at); after != blocks.end()) {
            REQUIRE(offset + block.rounded <= after->first);
        }
        offsets.push_back(offset);
        live_bytes += block.rounded;
        requested_bytes += block.bytes;
    }

    std::uint64_t take(std::size_t index) {
        const std::uint64_t offset = offsets[index];
        offsets[index] = offsets.back();
        offsets.pop_back();
        const auto at = blocks.find(offset);
        live_bytes -= at->second.rounded;
        requested_bytes -= at->second.bytes;
        blocks.erase(at);
        return offset;
    }
};

// From 64 bytes to 64 KiB, each doubling equally likely; now and then some MiB.
std::uint64_t random_bytes(std::mt19937_64& random, bool with_huge = false) {
    if (with_huge && random() % 500 == 0) {
        return 1 + random() % (3 * mebibyte);
    }
    const std::uint64_t top = std::uint64_t{64} << (random() % 11);
    return std::max<std::uint64_t>(1, top - random() % (top / 2));
}

void random_step(BlockAllocator& allocator, Shadow& shadow, std::mt19937_64& random,
                 std::uint64_t target_bytes) {
    if (shadow.live_bytes < target_bytes || shadow.offsets.empty()) {
        const std::uint64_t alignment = random() % 8 == 0 ? std::uint64_t{64} << random() % 7 : 64;
        const std::uint64_t bytes = random_bytes(random, true);
        const std::uint64_t birth = random() >> 16;
        const std::uint64_t offset = allocate_or_extend(allocator, bytes, birth, alignment);
        const std::uint64_t rounded = BlockAllocator::rounded_bytes(bytes, alignment);
        REQUIRE(offset % alignment == 0);
        REQUIRE(offset >= allocator.begin());
        REQUIRE(offset + rounded <= allocator.end());
        shadow.add(offset, {bytes, alignment, rounded, birth});
    } else {
        const std::size_t index = random() % shadow.offsets.size();
        const Shadow::Block block = shadow.blocks.at(shadow.offsets[index]);
        const std::uint64_t offset = shadow.take(index);
        REQUIRE(allocator.birth(offset) == block.birth);
        REQUIRE(allocator.block_bytes(offset) == block.rounded);
        REQUIRE(allocator.free(offset) == block.rounded);
    }
}

// Live bytes wander up and down, sometimes to nothing.
void random_trace(BlockAllocator& allocator, Shadow& shadow, std::mt19937_64& random, int steps) {
    std::uint64_t target = 0;
    for (int step = 0; step < steps; ++step) {
        if (step % 2000 == 0) {
            target = random() % 4 == 0 ? 0 : random() % (24 * mebibyte);
        }
        random_step(allocator, shadow, random, target);
        if (step % 500 == 0) {
            REQUIRE(allocator.valid());
        }
    }
    REQUIRE(allocator.valid());
    REQUIRE(allocator.stats().used_bytes == shadow.live_bytes);
    REQUIRE(allocator.stats().requested_bytes == shadow.requested_bytes);
    REQUIRE(allocator.stats().used_blocks == shadow.offsets.size());
}

BlockAllocator rebuild_from(const Shadow& shadow, std::uint64_t end) {
    BlockAllocator allocator = BlockAllocator::rebuilding(begin, end);
    for (const std::uint64_t offset : shadow.offsets) {
        const Shadow::Block& block = shadow.blocks.at(offset);
        REQUIRE(allocator.adopt(offset, block.bytes, block.alignment));
    }
    return allocator;
}

}  // namespace

TEST_CASE("block allocator: size classes grow by at most a quarter or 64 bytes") {
    std::uint64_t smaller = 0;
    for (const SizeClass& size_class : size_classes) {
        const std::uint64_t step = size_class.block_bytes - smaller;
        CHECK(size_class.block_bytes % block_unit == 0);
        CHECK(step > 0);
        CHECK((step == block_unit || step * 4 <= smaller));
        // The largest waste of a request that the class below could not serve.
        CHECK((step == block_unit || (step - 1) * 4 <= size_class.block_bytes));
        smaller = size_class.block_bytes;
    }
    CHECK(smaller == largest_class_bytes);
}

TEST_CASE("block allocator: a slab is a small power of two of pages, well filled, one bitmap") {
    for (const SizeClass& size_class : size_classes) {
        CAPTURE(size_class.block_bytes);
        CHECK((size_class.slab_pages & (size_class.slab_pages - 1)) == 0);
        CHECK(size_class.slab_pages == 1U << size_class.slab_order);
        CHECK(size_class.slab_pages <= largest_slab_pages);
        CHECK(size_class.blocks >= (size_class.slab_pages < 4 ? 8U : 4U));
        CHECK(size_class.blocks <= 64);
        const std::uint64_t used = std::uint64_t{size_class.blocks} * size_class.block_bytes;
        CHECK(used <= size_class.slab_bytes());
        CHECK((size_class.slab_bytes() - used) * 8 <= size_class.slab_bytes());
        bool divides = true;
        for (std::uint64_t delta = 0; delta < size_class.slab_bytes(); ++delta) {
            divides = divides && size_class.block_index(delta) == delta / size_class.block_bytes;
        }
        CHECK(divides);
    }
}

TEST_CASE("block allocator: every size gets the smallest class that holds it, or whole pages") {
    for (std::uint64_t bytes = 1; bytes <= largest_class_bytes; ++bytes) {
        std::uint64_t expected = 0;
        for (const SizeClass& size_class : size_classes) {
            if (size_class.block_bytes >= bytes) {
                expected = size_class.block_bytes;
                break;
            }
        }
        REQUIRE(BlockAllocator::rounded_bytes(bytes) == expected);
    }
    CHECK(BlockAllocator::rounded_bytes(0) == 64);
    CHECK(BlockAllocator::rounded_bytes(8192) == 8192);
    CHECK(BlockAllocator::rounded_bytes(8193) == 12288);
    CHECK(BlockAllocator::rounded_bytes(16385) == 20480);
    CHECK(BlockAllocator::rounded_bytes(65536) == 65536);
    CHECK(BlockAllocator::rounded_bytes(65537) == 69632);
    CHECK(BlockAllocator::rounded_bytes(256 * 1024) == 256 * 1024);
    CHECK(BlockAllocator::rounded_bytes(100, 128) == 128);
    CHECK(BlockAllocator::rounded_bytes(320, 256) == 512);
    CHECK(BlockAllocator::rounded_bytes(1, 4096) == 4096);
    CHECK(BlockAllocator::rounded_bytes(16384, 4096) == 16384);
}

TEST_CASE("block allocator: blocks are aligned as asked, whatever their size") {
    BlockAllocator allocator(begin, 2 * mebibyte);
    std::mt19937_64 random(11);
    for (std::uint64_t alignment = 1; alignment <= 4096; alignment *= 2) {
        for (int i = 0; i < 300; ++i) {
            const std::uint64_t bytes = random_bytes(random);
            const std::uint64_t offset = allocate_or_extend(allocator, bytes, 1, alignment);
            REQUIRE(offset % alignment == 0);
            REQUIRE(offset % block_unit == 0);
            REQUIRE(allocator.block_bytes(offset) ==
                    BlockAllocator::rounded_bytes(bytes, alignment));
        }
    }
    CHECK(allocator.valid());
}

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
        CHECK_FALSE(allocator.allocate(8192, 1));
        CHECK(allocator.extent_needed(8192) == (16 - 9) * page_bytes);
        allocator.extend(16 * page_bytes);
        CHECK(allocator.extent_needed(8192) == 0);
        CHECK(allocator.allocate(8192, 1) == 8 * page_bytes);
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
    CHECK(allocator.stats().slab_bytes > 0);
    CHECK(allocator.valid());
    CHECK(allocator.allocate(allocator.end() - allocator.begin(), 1) == begin);
    CHECK(allocator.stats().slab_bytes == 0);
    CHECK(allocator.valid());
}

TEST_CASE("block allocator: a class keeps at most one empty slab") {
    BlockAllocator allocator(begin, begin + mebibyte);
    std::vector<std::uint64_t> offsets;
    for (int i = 0; i < 1000; ++i) {
        offsets.push_back(*allocator.allocate(320, 1));
    }
    CHECK(allocator.stats().classes[4].block_bytes == 320);
    CHECK(allocator.stats().classes[4].used_blocks == 1000);
    std::shuffle(offsets.begin() + 1, offsets.end(), std::mt19937_64(9));
    for (const std::uint64_t offset : offsets) {
        allocator.free(offset);
    }
    CHECK(allocator.stats().classes[4].used_blocks == 0);
    CHECK(allocator.stats().classes[4].slabs == 1);
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
        CHECK(allocator.stats().used_bytes == 0);
        CHECK(allocator.stats().requested_bytes == 0);
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

TEST_CASE("block allocator: a restart in the middle of a trace keeps what is reachable") {
    for (const std::uint64_t seed : {4U, 5U, 6U}) {
        CAPTURE(seed);
        std::mt19937_64 random(seed);
        BlockAllocator before(begin, begin);
        Shadow shadow;
        random_trace(before, shadow, random, 13000);
        while (shadow.live_bytes < 8 * mebibyte) {
            random_step(before, shadow, random, 8 * mebibyte);
        }
        // What only older snapshots reach is not adopted, but must not be given out either.
        for (std::size_t lost = shadow.offsets.size() / 3; lost > 0; --lost) {
            shadow.take(random() % shadow.offsets.size());
        }

        BlockAllocator allocator = rebuild_from(shadow, before.end());
        REQUIRE(allocator.valid());
        std::vector<std::uint64_t> leftovers = allocator.finish_rebuild();
        REQUIRE(allocator.valid());
        CHECK(allocator.stats().free_bytes == 0);
        for (const SizeClass& size_class : size_classes) {
            CHECK_FALSE(allocator.allocate(size_class.block_bytes, 1));
        }
        for (auto& [offset, block] : shadow.blocks) {
            block.birth = 0;
        }
        std::shuffle(leftovers.begin(), leftovers.end(), random);
        std::uint64_t leftover_bytes = 0;
        for (std::size_t i = 0; i < leftovers.size(); ++i) {
            CHECK(allocator.birth(leftovers[i]) == 0);
            leftover_bytes += allocator.block_bytes(leftovers[i]);
            CHECK(allocator.free(leftovers[i]) > 0);
            if (i % 500 == 0) {
                CHECK(allocator.valid());
            }
        }
        CHECK(shadow.live_bytes + leftover_bytes <= allocator.end() - allocator.begin());
        CHECK(allocator.stats().used_bytes == shadow.live_bytes);

        random_trace(allocator, shadow, random, 13000);
        while (!shadow.offsets.empty()) {
            allocator.free(shadow.take(random() % shadow.offsets.size()));
        }
        CHECK(all_free(allocator));
    }
}

TEST_CASE("block allocator: a restart with nothing reachable leaves one run to free") {
    BlockAllocator allocator = BlockAllocator::rebuilding(begin, begin + mebibyte);
    const std::vector<std::uint64_t> leftovers = allocator.finish_rebuild();
    REQUIRE(leftovers == std::vector<std::uint64_t>{begin});
    CHECK(allocator.free(begin) == mebibyte);
    CHECK(all_free(allocator));

    BlockAllocator nothing = BlockAllocator::rebuilding(begin, begin);
    CHECK(nothing.finish_rebuild().empty());
    CHECK(nothing.valid());
}

TEST_CASE("block allocator: adopt rejects what no allocator can have given out") {
    const std::uint64_t end = begin + 64 * page_bytes;
    BlockAllocator allocator = BlockAllocator::rebuilding(begin, end);
    const std::uint64_t slab = 16 * page_bytes;
    REQUIRE(allocator.adopt(slab, 320));
    REQUIRE(allocator.adopt(slab + 640, 300));
    REQUIRE(allocator.adopt(32 * page_bytes, 20000));

    const auto rejected = [&](std::uint64_t offset, std::uint64_t bytes,
                              std::uint64_t alignment = 64) {
        const std::uint64_t used = allocator.stats().used_bytes;
        const std::uint64_t free = allocator.stats().free_bytes;
        const bool adopted = allocator.adopt(offset, bytes, alignment);
        return !adopted && allocator.stats().used_bytes == used &&
               allocator.stats().free_bytes == free && allocator.valid();
    };
    SUBCASE("out of range") {
        CHECK(rejected(0, 64));
        CHECK(rejected(begin - 64, 64));
        CHECK(rejected(end, 64));
        CHECK(rejected(end - page_bytes, 20000));
        CHECK(rejected(huge, 64));
        CHECK(rejected(huge - 63, 64));
        CHECK(rejected(huge - 4095, 20000));
        CHECK(rejected(begin, huge));
        CHECK(rejected(begin, huge - 4095));
        CHECK(rejected(begin, end));
    }
    SUBCASE("a slab that would reach out of the region") {
        CHECK(rejected(begin + 3 * page_bytes, 8192));  // its slab starts at 0
        CHECK(rejected(64 * page_bytes, 8192));         // its slab ends behind the end
    }
    SUBCASE("misplaced for its class") {
        CHECK(rejected(slab + 64, 320));
        CHECK(rejected(slab + 321, 320));
        CHECK(rejected(slab + 2 * page_bytes - 128, 320));  // in the unused tail
        CHECK(rejected(40 * page_bytes + 64, 20000));
        CHECK(rejected(48 * page_bytes + 1, 64));
    }
    SUBCASE("overlap") {
        CHECK(rejected(slab, 320));               // the same block again
        CHECK(rejected(slab, 64));                // another class in an adopted slab
        CHECK(rejected(slab + page_bytes, 64));   // on the slab's second page
        CHECK(rejected(slab, 8192));              // a bigger slab around it
        CHECK(rejected(slab, 20000));             // a run across it
        CHECK(rejected(15 * page_bytes, 20000));  // a run into it
        CHECK(rejected(32 * page_bytes, 20000));  // the same run again
        CHECK(rejected(33 * page_bytes, 20000));  // a run from inside a run
        CHECK(rejected(28 * page_bytes, 20000));  // a run that ends inside a run
        CHECK(rejected(34 * page_bytes, 64));     // a slab inside a run
        CHECK(rejected(32 * page_bytes, 16384));
    }
    SUBCASE("an alignment that does not exist") {
        CHECK(rejected(48 * page_bytes, 64, 0));
        CHECK(rejected(48 * page_bytes, 64, 96));
        CHECK(rejected(48 * page_bytes, 64, 8192));
        CHECK(rejected(48 * page_bytes, 64, huge));
    }
    CHECK(allocator.adopt(slab + 320, 320));
    CHECK(allocator.adopt(37 * page_bytes, 20000));
    for (const std::uint64_t offset : allocator.finish_rebuild()) {
        allocator.free(offset);
    }
    CHECK(allocator.stats().used_blocks == 5);
    CHECK(allocator.valid());
}

TEST_CASE("block allocator: adopting random extents never breaks the books") {
    std::mt19937_64 random(77);
    std::size_t adopted_blocks = 0;
    for (int round = 0; round < 20; ++round) {
        const std::uint64_t first = random() % 70 * page_bytes;
        BlockAllocator allocator =
            BlockAllocator::rebuilding(first, first + random() % 300 * page_bytes);
        std::map<std::uint64_t, std::uint64_t> adopted;
        for (int i = 0; i < 3000; ++i) {
            const std::uint64_t offset = random() % (allocator.end() + page_bytes) / 64 * 64;
            const std::uint64_t bytes = random_bytes(random);
            const std::uint64_t alignment = std::uint64_t{64} << random() % 7;
            if (allocator.adopt(offset, bytes, alignment)) {
                adopted[offset] = BlockAllocator::rounded_bytes(bytes, alignment);
            }
        }
        REQUIRE(allocator.valid());
        adopted_blocks += adopted.size();
        std::uint64_t last_end = allocator.begin();
        for (const auto& [offset, bytes] : adopted) {
            REQUIRE(offset >= last_end);
            last_end = offset + bytes;
        }
        REQUIRE(last_end <= allocator.end());
        for (const std::uint64_t offset : allocator.finish_rebuild()) {
            allocator.free(offset);
        }
        for (const auto& [offset, bytes] : adopted) {
            REQUIRE(allocator.free(offset) == bytes);
        }
        REQUIRE(allocator.stats().used_bytes == 0);
        REQUIRE(allocator.valid());
    }
    CHECK(adopted_blocks > 500);
}

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
    CHECK(allocator.stats().hole_bytes == 88 * page_bytes);
    CHECK(allocator.stats().free_bytes == 88 * page_bytes);
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
    const std::vector<Extent> holes = allocator.take_holes(first);
    REQUIRE(holes.size() == 1);
    CHECK(holes[0].offset == first);
    CHECK(holes[0].bytes == 4 * page_bytes);
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
        CHECK(allocator.stats().used_bytes == live);
        CHECK(allocator.stats().slab_waste() < 0.35);
        CHECK(allocator.stats().scatter() <= 1.0);
        CHECK(allocator.valid());
    }
}

// The figures of docs/adr/0004. What trimming does not give back is the free blocks in slabs.
TEST_CASE(
    "block allocator: small regions lose more, most of it to free pages that can be trimmed") {
    struct Row {
        std::uint64_t live_kib;
        double lost;            // share of the managed bytes beyond the most that was ever live
        double after_trimming;  // share of them that stays committed and holds nothing
    };
    for (const Row& row : {Row{512, 0.55, 0.30}, Row{1024, 0.45, 0.22}, Row{2048, 0.36, 0.16},
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
            const AllocatorStats stats = allocator.stats();
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
    CHECK(assigned.free(block) == 128);
    CHECK(assigned.free(run) == 25 * page_bytes);
    CHECK(all_free(assigned));
}
