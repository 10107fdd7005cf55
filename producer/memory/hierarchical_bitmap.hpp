// SPDX-License-Identifier: Apache-2.0
// A set of small integers that finds its lowest member in a few steps.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace strata::producer_impl {

// A set of small integers that yields its lowest member in a few steps: bitmaps on bitmaps, each
// bit above says "this word below is not zero". Only grow() allocates.
class HierarchicalBitmap {
public:
    // Makes room for members below `size`. Strong guarantee.
    void grow(std::size_t size) {
        if (size <= capacity()) {
            return;
        }
        std::vector<std::vector<std::uint64_t>> levels;
        std::size_t words = (size + 63) / 64;
        if (!levels_.empty() && words < 2 * levels_[0].size()) {
            words = 2 * levels_[0].size();
        }
        for (;;) {
            levels.emplace_back(words);
            if (words == 1) {
                break;
            }
            words = (words + 63) / 64;
        }
        if (!levels_.empty()) {
            for (std::size_t i = 0; i < levels_[0].size(); ++i) {
                levels[0][i] = levels_[0][i];
            }
        }
        for (std::size_t level = 1; level < levels.size(); ++level) {
            for (std::size_t i = 0; i < levels[level - 1].size(); ++i) {
                if (levels[level - 1][i] != 0) {
                    levels[level][i / 64] |= std::uint64_t{1} << (i % 64);
                }
            }
        }
        levels_ = std::move(levels);
    }

    std::size_t capacity() const noexcept { return levels_.empty() ? 0 : levels_[0].size() * 64; }
    bool empty() const noexcept { return levels_.empty() || levels_.back()[0] == 0; }

    bool contains(std::size_t member) const noexcept {
        return member < capacity() && (levels_[0][member / 64] >> (member % 64) & 1) != 0;
    }

    void insert(std::size_t member) noexcept {
        for (auto& level : levels_) {
            std::uint64_t& word = level[member / 64];
            const bool known_above = word != 0;
            word |= std::uint64_t{1} << (member % 64);
            if (known_above) {
                return;
            }
            member /= 64;
        }
    }

    void erase(std::size_t member) noexcept {
        for (auto& level : levels_) {
            std::uint64_t& word = level[member / 64];
            word &= ~(std::uint64_t{1} << (member % 64));
            if (word != 0) {
                return;
            }
            member /= 64;
        }
    }

    // The set must not be empty.
    std::size_t lowest() const noexcept {
        std::size_t member = 0;
        for (std::size_t level = levels_.size(); level-- > 0;) {
            member =
                member * 64 + static_cast<std::size_t>(std::countr_zero(levels_[level][member]));
        }
        return member;
    }

    std::size_t count() const noexcept {
        std::size_t members = 0;
        if (!levels_.empty()) {
            for (const std::uint64_t word : levels_[0]) {
                members += static_cast<std::size_t>(std::popcount(word));
            }
        }
        return members;
    }

    // For self-checks: every level tells the truth about the one below.
    bool valid() const noexcept {
        for (std::size_t level = 1; level < levels_.size(); ++level) {
            for (std::size_t i = 0; i < levels_[level - 1].size(); ++i) {
                const bool said = (levels_[level][i / 64] >> (i % 64) & 1) != 0;
                if (said != (levels_[level - 1][i] != 0)) {
                    return false;
                }
            }
        }
        return true;
    }

private:
    std::vector<std::vector<std::uint64_t>> levels_;
};

}  // namespace strata::producer_impl
