// SPDX-License-Identifier: Apache-2.0
// Which blocks of a slab are free, in two words.
#pragma once

#include <bit>
#include <cstdint>

namespace strata::producer_impl {

// A bit for each of up to 128 blocks. Not thread-safe.
class FreeBlocks {
public:
    FreeBlocks() = default;
    static constexpr FreeBlocks first(std::uint32_t count) noexcept {
        FreeBlocks blocks;
        blocks.words_[0] = ones(count < 64 ? count : 64);
        blocks.words_[1] = ones(count < 64 ? 0 : count - 64);
        return blocks;
    }

    constexpr bool none() const noexcept { return (words_[0] | words_[1]) == 0; }
    constexpr bool contains(std::uint32_t block) const noexcept {
        return (words_[block / 64] >> (block % 64) & 1) != 0;
    }
    constexpr void insert(std::uint32_t block) noexcept { words_[block / 64] |= bit(block); }
    constexpr void erase(std::uint32_t block) noexcept { words_[block / 64] &= ~bit(block); }
    // Removes and returns the first. Precondition: !none().
    constexpr std::uint32_t take_first() noexcept {
        const std::uint32_t word = words_[0] != 0 ? 0 : 1;
        const auto block = static_cast<std::uint32_t>(std::countr_zero(words_[word]));
        words_[word] &= words_[word] - 1;
        return word * 64 + block;
    }
    constexpr bool is_subset_of(const FreeBlocks& other) const noexcept {
        return (words_[0] & ~other.words_[0]) == 0 && (words_[1] & ~other.words_[1]) == 0;
    }
    friend constexpr bool operator==(const FreeBlocks&, const FreeBlocks&) = default;

private:
    static constexpr std::uint64_t bit(std::uint32_t block) noexcept {
        return std::uint64_t{1} << (block % 64);
    }
    static constexpr std::uint64_t ones(std::uint32_t count) noexcept {
        return count == 0 ? 0 : ~std::uint64_t{0} >> (64 - count);
    }

    std::uint64_t words_[2] = {};
};

}  // namespace strata::producer_impl
