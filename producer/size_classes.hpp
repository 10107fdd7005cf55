// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace strata::producer_impl {

// Size classes of small blocks. Everything here is a pure function of its arguments, because a
// restarted producer recomputes from a block's (offset, bytes, alignment) which slab held it.

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t block_unit = 64;             // every block starts on a multiple of this
constexpr std::uint64_t largest_class_bytes = 8192;  // bigger blocks are runs of whole pages
constexpr std::uint64_t largest_alignment = page_bytes;
constexpr std::size_t class_count = 24;
constexpr std::uint32_t largest_slab_pages = 8;

struct SizeClass {
    std::uint32_t block_bytes;
    std::uint32_t slab_pages;  // a power of two; a slab is aligned to its own size
    std::uint32_t slab_order;  // log2 of slab_pages
    std::uint32_t blocks;      // per slab, 4 to 64: one bitmap word
    std::uint32_t reciprocal;  // ceil(2^32 / block_bytes), see block_index()

    constexpr std::uint64_t slab_bytes() const { return slab_pages * page_bytes; }
    constexpr std::uint64_t all_blocks() const { return ~std::uint64_t{0} >> (64 - blocks); }
    // delta / block_bytes, exact for every delta inside a slab: the reciprocal is too large by less
    // than block_bytes <= 2^14, delta < 2^16, so the error stays below 2^30 / 2^32.
    constexpr std::uint32_t block_index(std::uint64_t delta) const {
        return static_cast<std::uint32_t>((delta * reciprocal) >> 32);
    }
};

// The smallest slab of at least 8 blocks that leaves less than 1/16 of itself unused at its end.
// From four pages on 4 blocks and 1/8 will do: a region has few blocks of these sizes, and
// half-used big slabs cost it more than their tails.
constexpr SizeClass make_size_class(std::uint32_t block_bytes) {
    std::uint32_t order = 0;
    for (; (1U << order) < largest_slab_pages; ++order) {
        const std::uint64_t slab = page_bytes << order;
        const std::uint64_t tail = slab % block_bytes;
        const bool fits = order < 2 ? slab / block_bytes >= 8 && tail * 16 < slab
                                    : slab / block_bytes >= 4 && tail * 8 <= slab;
        if (fits) {
            break;
        }
    }
    const std::uint64_t slab = page_bytes << order;
    return SizeClass{
        block_bytes, 1U << order, order, static_cast<std::uint32_t>(slab / block_bytes),
        static_cast<std::uint32_t>(((std::uint64_t{1} << 32) + block_bytes - 1) / block_bytes)};
}

// 64 to 512 in steps of 64, then four classes for each doubling.
constexpr std::array<SizeClass, class_count> make_size_classes() {
    std::array<SizeClass, class_count> classes{};
    std::uint32_t bytes = 0;
    for (std::size_t i = 0; i < class_count; ++i) {
        bytes += i < 8 ? 64U : 128U << ((i - 8) / 4);
        classes[i] = make_size_class(bytes);
    }
    return classes;
}

inline constexpr std::array<SizeClass, class_count> size_classes = make_size_classes();
static_assert(size_classes.back().block_bytes == largest_class_bytes);

// Class by size in units of 64 bytes, rounded up.
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
// first is slabs, the second slabs up to 8 KiB and runs of three or four pages, the others runs.
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
