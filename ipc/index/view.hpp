// SPDX-License-Identifier: Apache-2.0
// Reading an index (a 64-way trie; Bagwell, "Ideal Hash Trees", 2001, section 2, for the bitmap
// nodes) in a mapping that somebody else writes. Every word is loaded once into a local and checked
// before it is used; a walk goes down at most 11 levels, so a cycle cannot trap it.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ipc/format/layer_block.hpp"
#include "ipc/format/layout.hpp"

namespace strata::ipc {

/// One index, as far as reading it needs: a root in a mapping of which [0, limit) is readable.
struct IndexView {
    const std::byte* base = nullptr;
    std::uint64_t limit = 0;   // bytes that may be read; at least header_bytes
    std::uint64_t root = 0;    // entry word
    std::uint32_t levels = 0;  // at most max_index_levels
    std::uint16_t slot = 0;    // of the mapping, for Layers
    std::uint64_t layers = 0;  // as the record says

    std::uint64_t word_at(std::uint64_t offset) const noexcept {
        std::uint64_t word = 0;
        std::memcpy(&word, base + offset, sizeof(word));
        return word;
    }
};

/// Why a walk stopped.
enum class WalkEnd : unsigned char { found, absent, corrupt };

struct FoundEntry {
    std::uint64_t word = 0;
    WalkEnd end = WalkEnd::absent;
};

/// Child `digit` of a node. False if the node lies outside the readable bytes.
inline bool load_child(const IndexView& index, std::uint64_t node, unsigned digit,
                       std::uint64_t& child) noexcept {
    const std::uint64_t offset = entry_offset(node);
    if (entry_kind(node) == EntryKind::array_node) {
        // Safe: offset + 512 <= limit, and digit < 64.
        if (offset > index.limit - array_node_bytes) [[unlikely]] {
            return false;
        }
        child = index.word_at(offset + digit * 8);
        return true;
    }
    // Safe: a bitmap node has at most 65 words; a full one fits array_node_bytes + 8.
    if (offset > index.limit - 8) [[unlikely]] {
        return false;
    }
    const std::uint64_t bitmap = index.word_at(offset);
    const std::uint64_t bit = std::uint64_t{1} << digit;
    if ((bitmap & bit) == 0) {
        child = 0;
        return true;
    }
    const auto rank = static_cast<std::uint64_t>(std::popcount(bitmap & (bit - 1)));
    const std::uint64_t at = offset + 8 + rank * 8;
    if (at > index.limit - 8) [[unlikely]] {
        return false;
    }
    child = index.word_at(at);
    return true;
}

/// All children of a node, 0 for none. False if the node lies outside the readable bytes.
inline bool load_children(const IndexView& index, std::uint64_t node,
                          std::array<std::uint64_t, index_fanout>& children) noexcept {
    const std::uint64_t offset = entry_offset(node);
    if (entry_kind(node) == EntryKind::array_node) {
        // Safe: offset + 512 <= limit.
        if (offset > index.limit - array_node_bytes) [[unlikely]] {
            return false;
        }
        std::memcpy(children.data(), index.base + offset, array_node_bytes);
        return true;
    }
    // Safe: see load_child.
    if (offset > index.limit - 8) [[unlikely]] {
        return false;
    }
    const std::uint64_t bitmap = index.word_at(offset);
    if (static_cast<std::uint64_t>(std::popcount(bitmap)) * 8 > index.limit - 8 - offset)
        [[unlikely]] {
        return false;
    }
    children.fill(0);
    std::uint64_t at = offset + 8;
    for (std::uint64_t rest = bitmap; rest != 0; rest &= rest - 1) {
        children[static_cast<unsigned>(std::countr_zero(rest))] = index.word_at(at);
        at += 8;
    }
    return true;
}

/// True if a layer (or record) entry's block header lies inside the readable bytes.
inline bool block_in_range(const IndexView& index, std::uint64_t word) noexcept {
    const std::uint64_t offset = entry_offset(word);
    return offset >= header_bytes && offset <= index.limit - sizeof(LayerHeader);
}

/// What the entry, or else the block's header, says of the size of its payload. Precondition:
/// block_in_range.
inline std::uint64_t block_size(const IndexView& index, std::uint64_t word) noexcept {
    const std::uint64_t size = entry_size(word);
    return size != entry_size_unknown ? size
                                      : LayerBlock(index.base + entry_offset(word)).payload_bytes();
}

/// Walks to the entry that may hold `key`; `shift` tells how many low bits were not used on the
/// way: if it is not 0, the caller compares the key with the block's own.
inline FoundEntry walk(const IndexView& index, std::uint64_t key, unsigned& shift) noexcept {
    shift = index.levels * index_bits;
    if (shift < 64 && (key >> shift) != 0) {
        return {};
    }
    std::uint64_t word = index.root;
    for (;;) {
        const EntryKind kind = entry_kind(word);
        if (kind == EntryKind::layer) {
            return {word, WalkEnd::found};
        }
        if (kind == EntryKind::nothing) {
            return {};
        }
        if (shift == 0) [[unlikely]] {
            return {0, WalkEnd::corrupt};  // a node below the lowest level
        }
        shift -= index_bits;
        const auto digit = static_cast<unsigned>(key >> shift) & (index_fanout - 1);
        if (!load_child(index, word, digit, word)) [[unlikely]] {
            return {0, WalkEnd::corrupt};
        }
    }
}

}  // namespace strata::ipc
