// SPDX-License-Identifier: Apache-2.0
// A model of what a block allocator has handed out, and random lives of both.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <optional>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "producer/memory/block_allocator.hpp"

namespace strata::test {

inline constexpr std::uint64_t begin = producer_impl::page_bytes;
inline constexpr std::uint64_t mebibyte = 1024 * 1024;

// All of [begin, end) is one free run again.
inline bool all_free(producer_impl::BlockAllocator& allocator) {
    const std::vector<producer_impl::Extent> runs = allocator.free_runs(0);
    return runs.size() == 1 && runs[0].offset == allocator.begin() &&
           runs[0].bytes == allocator.end() - allocator.begin() && allocator.valid();
}

inline std::uint64_t allocate_or_extend(producer_impl::BlockAllocator& allocator,
                                        std::uint64_t bytes, std::uint64_t birth = 0,
                                        std::uint64_t alignment = producer_impl::block_unit) {
    std::optional<std::uint64_t> offset = allocator.allocate(bytes, birth, alignment);
    if (!offset) {
        const std::uint64_t needed = allocator.extent_needed(bytes, alignment);
        REQUIRE(needed > 0);
        REQUIRE(needed % producer_impl::page_bytes == 0);
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
inline std::uint64_t random_bytes(std::mt19937_64& random, bool with_huge = false) {
    if (with_huge && random() % 500 == 0) {
        return 1 + random() % (3 * mebibyte);
    }
    const std::uint64_t top = std::uint64_t{64} << (random() % 11);
    return std::max<std::uint64_t>(1, top - random() % (top / 2));
}

inline void random_step(producer_impl::BlockAllocator& allocator, Shadow& shadow,
                        std::mt19937_64& random, std::uint64_t target_bytes) {
    if (shadow.live_bytes < target_bytes || shadow.offsets.empty()) {
        const std::uint64_t alignment = random() % 8 == 0 ? std::uint64_t{64} << random() % 7 : 64;
        const std::uint64_t bytes = random_bytes(random, true);
        const std::uint64_t birth = random() >> 16;
        const std::uint64_t offset = allocate_or_extend(allocator, bytes, birth, alignment);
        const std::uint64_t rounded =
            producer_impl::BlockAllocator::rounded_bytes(bytes, alignment);
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

// What the statistics say of free pages, against the runs that a trim would get. No holes.
inline void check_free_pages(producer_impl::BlockAllocator& allocator) {
    std::uint64_t bytes = 0;
    std::uint64_t largest = 0;
    const std::vector<producer_impl::Extent> runs = allocator.free_runs(producer_impl::page_bytes);
    for (const producer_impl::Extent& run : runs) {
        bytes += run.bytes;
        largest = std::max(largest, run.bytes);
    }
    const MemoryStatistics stats = allocator.statistics();
    REQUIRE(stats.free_runs == runs.size());
    REQUIRE(stats.free_bytes == bytes);
    REQUIRE(stats.largest_free_bytes == largest);
    REQUIRE(stats.free_bytes + stats.slab_bytes + stats.run_bytes == stats.managed_bytes);
}

// Live bytes wander up and down, sometimes to nothing.
inline void random_trace(producer_impl::BlockAllocator& allocator, Shadow& shadow,
                         std::mt19937_64& random, int steps) {
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
    REQUIRE(allocator.statistics().used_bytes == shadow.live_bytes);
    REQUIRE(allocator.statistics().requested_bytes == shadow.requested_bytes);
    REQUIRE(allocator.statistics().used_blocks == shadow.offsets.size());
    check_free_pages(allocator);
}

}  // namespace strata::test
