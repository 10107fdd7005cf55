// SPDX-License-Identifier: Apache-2.0
// The sizes of small blocks and of the slabs that they are cut from, as pure functions.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "ipc/format/layout.hpp"
#include "producer/memory/free_blocks.hpp"

namespace strata::producer_impl {

// Size classes of small blocks. Everything here is a pure function of its arguments, because a
// restarted producer recomputes from a block's (offset, bytes, alignment) which slab held it.

using ipc::page_bytes;
constexpr std::uint64_t block_unit = 16;             // every block starts on a multiple of this
constexpr std::uint64_t largest_class_bytes = 8256;  // bigger blocks are runs of whole pages
constexpr std::uint64_t largest_alignment = page_bytes;
constexpr std::size_t class_count = 34;
static_assert(class_count <= ipc::stats_classes,
              "the memory table has no room for more: ipc/format/layout.hpp, docs/format.md");
constexpr std::uint32_t largest_slab_pages = 16;

struct SizeClass {
    std::uint32_t block_bytes;
    std::uint32_t slab_pages;  // a power of two; a slab is aligned to its own size
    std::uint32_t slab_order;  // log2 of slab_pages
    std::uint32_t blocks;      // per slab, 4 to 128
    std::uint32_t reciprocal;  // ceil(2^32 / block_bytes), see block_index()
    FreeBlocks all_blocks;     // of a slab that is empty

    constexpr std::uint64_t slab_bytes() const { return slab_pages * page_bytes; }
    // delta / block_bytes, exact for every delta inside a slab: the reciprocal is too large by less
    // than block_bytes < 2^14, delta < 2^16, so the error stays below 2^30 / 2^32.
    constexpr std::uint32_t block_index(std::uint64_t delta) const {
        return static_cast<std::uint32_t>((delta * reciprocal) >> 32);
    }
};

// People choose payloads of a power of two. With the rest of its block, at most 64 bytes if it has
// no keywords, such a layer fits one of these.
constexpr bool is_for_power_of_two(std::uint32_t block_bytes) {
    return block_bytes > 1024 && std::has_single_bit(block_bytes - 64);
}

// A page if it holds 8 blocks and less than 1/16 of it is left at its end; else the smallest slab
// of 4 blocks that leaves no more than 1/14, from four pages on 1/8: a region has few blocks of
// these sizes, and half-used big slabs cost it more than their tails.
constexpr SizeClass make_size_class(std::uint32_t block_bytes) {
    constexpr std::uint32_t largest_order = std::countr_zero(largest_slab_pages);
    const std::uint32_t last_order =
        is_for_power_of_two(block_bytes) ? largest_order : largest_order - 1;
    std::uint32_t order = 0;
    for (; order < last_order; ++order) {
        const std::uint64_t slab = page_bytes << order;
        const std::uint64_t tail = slab % block_bytes;
        const bool fits = order == 0   ? slab / block_bytes >= 8 && tail * 16 < slab
                          : order == 1 ? slab / block_bytes >= 4 && tail * 14 <= slab
                                       : slab / block_bytes >= 4 && tail * 8 <= slab;
        if (fits) {
            break;
        }
    }
    const std::uint64_t slab = page_bytes << order;
    const auto blocks = static_cast<std::uint32_t>(slab / block_bytes);
    return SizeClass{
        block_bytes,
        1U << order,
        order,
        blocks,
        static_cast<std::uint32_t>(((std::uint64_t{1} << 32) + block_bytes - 1) / block_bytes),
        FreeBlocks::first(blocks)};
}

// In steps of 16, 32, 64, ... bytes, the largest of which is a quarter of the size; from 1 KiB on
// there are four for each doubling, the last of them for payloads of a power of two.
constexpr std::array<SizeClass, class_count> make_size_classes() {
    constexpr std::uint32_t sizes[class_count] = {
        32,   48,   64,   80,   96,   112,  128,  144,  160,  192,  224,  256,
        288,  320,  384,  448,  512,  576,  640,  768,  896,  1088, 1280, 1536,
        1792, 2112, 2560, 3072, 3584, 4160, 5120, 6144, 7168, 8256};
    std::array<SizeClass, class_count> classes{};
    for (std::size_t i = 0; i < class_count; ++i) {
        classes[i] = make_size_class(sizes[i]);
    }
    return classes;
}

inline constexpr std::array<SizeClass, class_count> size_classes = make_size_classes();
static_assert(size_classes.back().block_bytes == largest_class_bytes);

// Class by size in units of 16 bytes, rounded up.
constexpr std::array<std::uint8_t, largest_class_bytes / block_unit + 1> make_class_by_units() {
    std::array<std::uint8_t, largest_class_bytes / block_unit + 1> table{};
    std::uint8_t index = 0;
    for (std::size_t units = 0; units < table.size(); ++units) {
        if (units * block_unit > size_classes[index].block_bytes) {
            ++index;
        }
        table[units] = index;
    }
    return table;
}

inline constexpr auto class_by_units = make_class_by_units();

constexpr bool is_valid_alignment(std::uint64_t alignment) {
    return alignment != 0 && (alignment & (alignment - 1)) == 0 && alignment <= largest_alignment;
}

// What every block has anyway.
constexpr bool is_small_alignment(std::uint64_t alignment) {
    return is_valid_alignment(alignment) && alignment <= block_unit;
}

// Index of the class that serves the request; class_count means "a run of whole pages". Slabs start
// on pages, so blocks whose size is a multiple of the alignment are aligned.
constexpr std::size_t class_for(std::uint64_t bytes, std::uint64_t alignment) {
    if (bytes > largest_class_bytes) {
        return class_count;
    }
    std::size_t index = class_by_units[(bytes + block_unit - 1) / block_unit];
    if (alignment > block_unit) {
        while (index < class_count && size_classes[index].block_bytes % alignment != 0) {
            ++index;
        }
    }
    return index;
}

// The pools that statistics tell of: blocks of up to 4, 16, 64 and 256 KiB, and larger ones. The
// first is slabs, the second slabs up to 8256 bytes and runs of three or four pages, the others
// runs.
inline constexpr std::size_t pool_count = 5;
inline constexpr std::array<std::uint64_t, pool_count> pool_limits = {4 << 10, 16 << 10, 64 << 10,
                                                                      256 << 10, 0};  // 0: none
static_assert(largest_class_bytes <= pool_limits[1]);

constexpr std::size_t pool_of_bytes(std::uint64_t bytes) {
    std::size_t pool = 0;
    while (pool_limits[pool] != 0 && bytes > pool_limits[pool]) {
        ++pool;
    }
    return pool;
}

constexpr std::array<std::uint8_t, class_count> make_pool_of_class() {
    std::array<std::uint8_t, class_count> table{};
    for (std::size_t i = 0; i < class_count; ++i) {
        table[i] = static_cast<std::uint8_t>(pool_of_bytes(size_classes[i].block_bytes));
    }
    return table;
}

inline constexpr auto pool_of_class = make_pool_of_class();

// Whole pages that hold `bytes`; no overflow for any argument.
constexpr std::uint64_t pages_for(std::uint64_t bytes) {
    return bytes / page_bytes + (bytes % page_bytes != 0 ? 1 : 0);
}

}  // namespace strata::producer_impl
