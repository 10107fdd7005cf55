// SPDX-License-Identifier: Apache-2.0
// A block allocator that is rebuilt from the blocks that are reachable.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/allocator_model.hpp"

using namespace strata::producer_impl;
using namespace strata::test;

namespace {

BlockAllocator rebuild_from(const Shadow& shadow, std::uint64_t end) {
    BlockAllocator allocator = BlockAllocator::rebuilding(begin, end);
    for (const std::uint64_t offset : shadow.offsets) {
        const Shadow::Block& block = shadow.blocks.at(offset);
        REQUIRE(allocator.adopt(offset, block.bytes, block.alignment));
    }
    return allocator;
}

constexpr std::uint64_t huge = std::numeric_limits<std::uint64_t>::max();

}  // namespace

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
        CHECK(allocator.statistics().free_bytes == 0);
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
        CHECK(allocator.statistics().used_bytes == shadow.live_bytes);

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
        const std::uint64_t used = allocator.statistics().used_bytes;
        const std::uint64_t free = allocator.statistics().free_bytes;
        const bool adopted = allocator.adopt(offset, bytes, alignment);
        return !adopted && allocator.statistics().used_bytes == used &&
               allocator.statistics().free_bytes == free && allocator.valid();
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
    CHECK(allocator.statistics().used_blocks == 5);
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
        REQUIRE(allocator.statistics().used_bytes == 0);
        REQUIRE(allocator.valid());
    }
    CHECK(adopted_blocks > 500);
}
