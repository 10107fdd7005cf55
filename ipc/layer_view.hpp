// SPDX-License-Identifier: Apache-2.0
// From an index entry to a Layer.
#pragma once

#include "ipc/index_view.hpp"
#include "strata/layer.hpp"

namespace strata::ipc {

/// The layer behind a layer entry; empty if the block does not fit the readable bytes.
inline Layer layer_at(const IndexView& index, std::uint64_t word) noexcept {
    const std::uint64_t offset = entry_offset(word);
    if (!block_in_range(index, word)) [[unlikely]] {
        return {};
    }
    std::uint64_t size = entry_size(word);
    if (size == entry_size_unknown) [[unlikely]] {
        size = index.word_at(offset + offsetof(LayerHeader, payload_bytes));
    }
    // Safe: the header fits, as was just checked, so the subtraction cannot wrap.
    if (size > index.limit - offset - sizeof(LayerHeader)) [[unlikely]] {
        return {};
    }
    return Layer::from_parts(index.base + offset + sizeof(LayerHeader), size, index.slot);
}

/// The layer number that the block itself says it has. Precondition: block_in_range.
inline std::uint64_t block_key(const IndexView& index, std::uint64_t word) noexcept {
    return index.word_at(entry_offset(word) + offsetof(LayerHeader, layer));
}

/// The layer with number `key`, or an empty one: also if the index is damaged. The whole hot path
/// of a look-up, written out: `find_layer` below is the same walk, for those who must know why.
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
            return {};
        }
        shift -= index_bits;
        const std::uint64_t digit = (key >> shift) & (index_fanout - 1);
        const std::uint64_t offset = entry_offset(word);
        if ((word & 1) == 0) [[likely]] {
            if (offset > limit - array_node_bytes) [[unlikely]] {
                return {};
            }
            std::memcpy(&word, base + offset + digit * 8, sizeof(word));  // safe: digit < 64
            continue;
        }
        if (offset > limit - 8) [[unlikely]] {
            return {};
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
            return {};
        }
        std::memcpy(&word, base + at, sizeof(word));
    }
    if ((word & 1) == 0) {
        return {};  // nothing there
    }
    const std::uint64_t offset = entry_offset(word);
    if (offset - header_bytes > limit - header_bytes - sizeof(LayerHeader)) [[unlikely]] {
        return {};  // out of range (less than header_bytes wraps to a huge number)
    }
    std::uint64_t size = entry_size(word);
    if (size == entry_size_unknown) [[unlikely]] {
        std::memcpy(&size, base + offset + offsetof(LayerHeader, payload_bytes), sizeof(size));
    }
    if (size > limit - offset - sizeof(LayerHeader)) [[unlikely]] {
        return {};
    }
    if (shift != 0) {
        std::uint64_t own = 0;
        std::memcpy(&own, base + offset + offsetof(LayerHeader, layer), sizeof(own));
        if (own != key) {
            return {};
        }
    }
    return Layer::from_parts(base + offset + sizeof(LayerHeader), size, index.slot);
}

struct FoundLayer {
    Layer layer;
    WalkEnd end = WalkEnd::absent;
};

/// The layer with number `key`.
inline FoundLayer find_layer(const IndexView& index, std::uint64_t key) noexcept {
    unsigned shift = 0;
    const FoundEntry entry = walk(index, key, shift);
    if (entry.end != WalkEnd::found) {
        return {{}, entry.end};
    }
    const Layer layer = layer_at(index, entry.word);
    if (!layer) [[unlikely]] {
        return {{}, WalkEnd::corrupt};
    }
    if (shift != 0 && block_key(index, entry.word) != key) {
        return {{}, WalkEnd::absent};
    }
    return {layer, WalkEnd::found};
}

}  // namespace strata::ipc
