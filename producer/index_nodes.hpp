// SPDX-License-Identifier: Apache-2.0
// The nodes of one region's index, one at a time: what a node has, and how its successor is written
// beside it. Counts the bytes that come and go; knows nothing of keys beyond one digit.
#pragma once

#include <bit>
#include <cstdint>

#include "ipc/format/layer_block.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/index/view.hpp"
#include "producer/commit/block_source.hpp"
#include "producer/memory/prefetch.hpp"
#include "producer/memory/region.hpp"

namespace strata::producer_impl {

constexpr bool is_index_node(std::uint64_t entry) noexcept {
    return ipc::entry_kind(entry) == ipc::EntryKind::array_node ||
           ipc::entry_kind(entry) == ipc::EntryKind::bitmap_node;
}

/// Of a key: which child of a node whose children have `shift` undecided bits.
constexpr unsigned index_digit(std::uint64_t key, unsigned shift) noexcept {
    return static_cast<unsigned>(key >> shift) & (ipc::index_fanout - 1);
}

class IndexNodes {
public:
    using Children = std::uint64_t[ipc::index_fanout];

    /// Where a node has, or would have, one child.
    struct Slot {
        std::uint64_t bytes;  // of the node
        std::uint64_t place;  // in words
        bool present;         // a bitmap node has such a word
    };

    IndexNodes(Region& region, BlockSource& blocks) noexcept : region_(region), blocks_(blocks) {}

    std::uint64_t key_of(std::uint64_t layer) const noexcept {
        return ipc::LayerBlock(region_.at(ipc::entry_offset(layer))).key();
    }
    /// All of a node at once, where one miss after the other would be waited for.
    void prefetch_node(std::uint64_t node) const noexcept {
        prefetch<Use::read>(
            region_.at(ipc::entry_offset(node)),
            ipc::entry_kind(node) == ipc::EntryKind::array_node ? ipc::array_node_bytes : 1);
    }
    Slot slot_of(std::uint64_t node, unsigned digit) const noexcept {
        if (ipc::entry_kind(node) == ipc::EntryKind::array_node) {
            return {ipc::array_node_bytes, digit, true};
        }
        const std::uint64_t bitmap = words_of(node)[0];
        const std::uint64_t bit = std::uint64_t{1} << digit;
        return {8 + 8 * static_cast<std::uint64_t>(std::popcount(bitmap)),
                1 + static_cast<std::uint64_t>(std::popcount(bitmap & (bit - 1))),
                (bitmap & bit) != 0};
    }
    std::uint64_t child(std::uint64_t node, const Slot& slot) const noexcept {
        return slot.present ? words_of(node)[slot.place] : 0;
    }
    /// The children that an entry has, or would have as a node; `below` is their shift.
    void expand(std::uint64_t entry, unsigned below, Children& children) const noexcept;

    // All throw what the block source throws.
    /// The node's successor, which differs in one child that is there; the node is retired.
    std::uint64_t replace_child(std::uint64_t node, const Slot& slot, std::uint64_t child);
    /// A node of these children, or what stands for it: nothing for none, and a lone layer itself,
    /// for it hangs as high as it can. `root`: it is on every walk, and becomes an array sooner.
    std::uint64_t build(const Children& children, bool root);
    void retire_node(std::uint64_t node) { retire(ipc::entry_offset(node)); }
    void retire_layer(std::uint64_t layer);

    /// Bytes of new nodes, less those of all blocks that were retired; modulo 2^64.
    std::uint64_t bytes_delta() const noexcept { return bytes_delta_; }

private:
    const std::uint64_t* words_of(std::uint64_t node) const noexcept {
        return region_.at<std::uint64_t>(ipc::entry_offset(node));
    }
    std::uint64_t new_node(std::uint64_t bytes);
    void retire(std::uint64_t offset) { bytes_delta_ -= blocks_.trail().retire(region_, offset); }

    Region& region_;
    BlockSource& blocks_;
    std::uint64_t bytes_delta_ = 0;
};

}  // namespace strata::producer_impl
