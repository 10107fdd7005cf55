// SPDX-License-Identifier: Apache-2.0
// A sorted set in blocks: the memory of a vector, changes in the time of a search.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace strata::consumer_impl {

/// Keys in ascending order in blocks of at most `block_keys`, like the leaves of a B+ tree with one
/// flat inner level. insert and erase: O(log n + block_keys + n / block_keys).
template <class Key>
class SortedBlocks {
public:
    static constexpr std::size_t block_keys = 256;

    /// Takes over keys that are in ascending order, without duplicates.
    void assign(std::span<const Key> keys) {
        // Three quarters full, so that the first changes split nothing.
        constexpr std::size_t filled = block_keys * 3 / 4;
        blocks_.clear();
        blocks_.reserve(keys.size() / filled + 1);
        size_ = keys.size();
        while (!keys.empty()) {
            const auto part = keys.first(std::min(filled, keys.size()));
            keys = keys.subspan(part.size());
            Block& block = blocks_.emplace_back();
            block.reserve(block_keys);
            block.assign(part.begin(), part.end());
        }
    }

    void insert(const Key& key) {
        if (blocks_.empty()) {
            Block first;
            first.reserve(block_keys);
            first.push_back(key);
            blocks_.push_back(std::move(first));
            size_ = 1;
            return;
        }
        std::size_t at = std::min(block_of(key), blocks_.size() - 1);
        auto place = std::lower_bound(blocks_[at].begin(), blocks_[at].end(), key);
        if (place != blocks_[at].end() && *place == key) {
            return;
        }
        if (blocks_[at].size() == block_keys) {
            split(at);
            at += blocks_[at].back() < key ? 1 : 0;
            place = std::lower_bound(blocks_[at].begin(), blocks_[at].end(), key);
        }
        blocks_[at].insert(place, key);
        ++size_;
    }

    void erase(const Key& key) {
        const std::size_t at = block_of(key);
        if (at == blocks_.size()) {
            return;
        }
        Block& block = blocks_[at];
        const auto place = std::lower_bound(block.begin(), block.end(), key);
        if (place == block.end() || *place != key) {
            return;
        }
        block.erase(place);
        --size_;
        // Neighbours that fit one block together become one, so that erasing gives memory back.
        if (block.empty()) {
            blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(at));
        } else if (at + 1 < blocks_.size() &&
                   block.size() + blocks_[at + 1].size() <= block_keys / 2) {
            block.insert(block.end(), blocks_[at + 1].begin(), blocks_[at + 1].end());
            blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(at) + 1);
        }
    }

    /// Calls visit(keys) for the keys in [low, high], in parts of one block each.
    template <class Visit>
    void for_range(const Key& low, const Key& high, Visit visit) const {
        for (std::size_t at = block_of(low); at < blocks_.size(); ++at) {
            const Block& block = blocks_[at];
            const auto first = std::lower_bound(block.begin(), block.end(), low);
            const auto last = std::upper_bound(first, block.end(), high);
            if (first != last) {
                visit(std::span<const Key>(first, last));
            }
            if (last != block.end()) {
                return;
            }
        }
    }

    std::size_t size() const noexcept { return size_; }
    std::size_t memory_bytes() const noexcept {
        return blocks_.capacity() * sizeof(Block) + blocks_.size() * block_keys * sizeof(Key);
    }

private:
    using Block = std::vector<Key>;  // never empty

    /// First block whose last key is not less; the number of blocks if there is none.
    std::size_t block_of(const Key& key) const noexcept {
        return static_cast<std::size_t>(
            std::partition_point(blocks_.begin(), blocks_.end(),
                                 [&](const Block& block) { return block.back() < key; }) -
            blocks_.begin());
    }

    void split(std::size_t at) {
        constexpr std::ptrdiff_t half = block_keys / 2;
        Block upper;
        upper.reserve(block_keys);
        upper.assign(blocks_[at].begin() + half, blocks_[at].end());
        blocks_.insert(blocks_.begin() + static_cast<std::ptrdiff_t>(at) + 1, std::move(upper));
        blocks_[at].resize(static_cast<std::size_t>(half));
    }

    std::vector<Block> blocks_;
    std::size_t size_ = 0;
};

}  // namespace strata::consumer_impl
