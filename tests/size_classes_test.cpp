// SPDX-License-Identifier: Apache-2.0
// The block sizes of the allocator: how they step, what they waste, and what a size gets.
#include <cstdint>
#include <initializer_list>
#include <random>

#include <doctest/doctest.h>

#include "tests/support/allocator_model.hpp"

using namespace strata::producer_impl;
using namespace strata::test;

TEST_CASE("block allocator: size classes grow by at most a quarter or 16 bytes") {
    std::uint64_t smaller = 0;
    for (const SizeClass& size_class : size_classes) {
        const std::uint64_t step = size_class.block_bytes - smaller;
        CHECK(size_class.block_bytes % block_unit == 0);
        CHECK(step > 0);
        CHECK((step == block_unit || smaller == 0 || step * 4 <= smaller));
        // The largest waste of a request that the class below could not serve.
        CHECK((step == block_unit || smaller == 0 || (step - 1) * 4 <= size_class.block_bytes));
        smaller = size_class.block_bytes;
    }
    CHECK(smaller == largest_class_bytes);
}

TEST_CASE(
    "block allocator: a slab is a small power of two of pages, well filled, two bitmap words") {
    for (const SizeClass& size_class : size_classes) {
        CAPTURE(size_class.block_bytes);
        CHECK((size_class.slab_pages & (size_class.slab_pages - 1)) == 0);
        CHECK(size_class.slab_pages == 1U << size_class.slab_order);
        CHECK(size_class.slab_pages <= largest_slab_pages);
        CHECK(size_class.blocks >= (size_class.slab_pages < 2 ? 8U : 4U));
        CHECK(size_class.blocks <= 128);
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

TEST_CASE("block allocator: layers of a power of two waste no quarter of their region") {
    for (std::uint64_t payload = 256; payload <= mebibyte; payload *= 2) {
        for (const std::uint64_t beside : {40U, 64U}) {  // header, tail and padding
            BlockAllocator allocator(begin, begin + 64 * mebibyte);
            std::uint64_t layers = 0;
            while (allocator.allocate(payload + beside, 1)) {
                ++layers;
            }
            const double used = static_cast<double>(layers * payload) / (64.0 * mebibyte);
            CAPTURE(payload);
            CAPTURE(beside);
            CHECK(used > (payload == 16384 || payload == 256 ? 0.78 : 0.87));
        }
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
    CHECK(BlockAllocator::rounded_bytes(0) == 32);
    CHECK(BlockAllocator::rounded_bytes(8256) == 8256);
    CHECK(BlockAllocator::rounded_bytes(8257) == 12288);
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
