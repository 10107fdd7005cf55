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
