// SPDX-License-Identifier: Apache-2.0
// From an index to a Layer: what an entry leads to, and the look-up of one key.
#pragma once

#include "ipc/format/layer_block.hpp"
#include "ipc/index/view.hpp"
#include "strata/layer.hpp"

namespace strata::ipc {

/// The layer behind a layer entry; empty if the block does not fit the readable bytes.
inline Layer layer_at(const IndexView& index, std::uint64_t word) noexcept {
    const std::uint64_t offset = entry_offset(word);
    if (!block_in_range(index, word)) [[unlikely]] {
        return {};
    }
    const LayerBlock block(index.base + offset);
    std::uint64_t size = entry_size(word);
    if (size == entry_size_unknown) [[unlikely]] {
        size = block.payload_bytes();
    }
    // Safe: the header fits, as was just checked, so the subtraction cannot wrap.
    if (size > index.limit - offset - sizeof(LayerHeader)) [[unlikely]] {
        return {};
    }
    return Layer::from_parts(block.payload(), size, index.slot);
}

/// Where the block behind a layer starts: what its entry says of its place.
inline std::uint64_t block_offset(const IndexView& index, const Layer& layer) noexcept {
    return static_cast<std::uint64_t>(layer.data() - index.base) - sizeof(LayerHeader);
}

/// The layer number that the block itself says it has. Precondition: block_in_range.
inline std::uint64_t block_key(const IndexView& index, std::uint64_t word) noexcept {
    return LayerBlock(index.base + entry_offset(word)).key();
}

/// What `lookup` gives if the index is damaged: no layer, but of a size that says so.
inline constexpr Layer damaged_layer = Layer::from_words(nullptr, 1);
inline bool is_damaged(const Layer& none) noexcept { return none.size() != 0; }

/// The layer with number `key`, or an empty one; is_damaged tells that from absence. The whole hot
/// path of a look-up, written out.
inline Layer lookup(const IndexView& index, std::uint64_t key) noexcept {
    const std::byte* const base = index.base;
    const std::uint64_t limit = index.limit;  // at least a page: the subtractions cannot wrap
    unsigned shift = index.levels * index_bits;
    if (shift < 64 && (key >> shift) != 0) [[unlikely]] {
        return {};
    }
    std::uint64_t word = index.root;
    while ((word & 2) != 0) {  // a node
        if (shift == 0) [[unlikely]] {
            return damaged_layer;  // a node below the lowest level
        }
        shift -= index_bits;
        const std::uint64_t digit = (key >> shift) & (index_fanout - 1);
        const std::uint64_t offset = entry_offset(word);
        if ((word & 1) == 0) [[likely]] {
            if (offset > limit - array_node_bytes) [[unlikely]] {
                return damaged_layer;
            }
            std::memcpy(&word, base + offset + digit * 8, sizeof(word));  // safe: digit < 64
            continue;
        }
        if (offset > limit - 8) [[unlikely]] {
            return damaged_layer;
        }
        std::uint64_t bitmap = 0;
        std::memcpy(&bitmap, base + offset, sizeof(bitmap));
        const std::uint64_t bit = std::uint64_t{1} << digit;
        if ((bitmap & bit) == 0) {
            return {};
        }
        const std::uint64_t at =
            offset + 8 + 8 * static_cast<std::uint64_t>(std::popcount(bitmap & (bit - 1)));
        if (at > limit - 8) [[unlikely]] {
            return damaged_layer;
        }
        std::memcpy(&word, base + at, sizeof(word));
    }
    if ((word & 1) == 0) {
        return {};  // nothing there
    }
    const std::uint64_t offset = entry_offset(word);
    if (offset - header_bytes > limit - header_bytes - sizeof(LayerHeader)) [[unlikely]] {
        return damaged_layer;  // out of range (less than header_bytes wraps to a huge number)
    }
    std::uint64_t size = entry_size(word);
    if (size == entry_size_unknown) [[unlikely]] {
        size = LayerBlock(base + offset).payload_bytes();
    }
    if (size > limit - offset - sizeof(LayerHeader)) [[unlikely]] {
        return damaged_layer;
    }
    if (shift != 0 && LayerBlock(base + offset).key() != key) {
        return {};
    }
    return Layer::from_parts(LayerBlock(base + offset).payload(), size, index.slot);
}

struct FoundLayer {
    Layer layer;
    WalkEnd end = WalkEnd::absent;
};

}  // namespace strata::ipc
