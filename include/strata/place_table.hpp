// SPDX-License-Identifier: Apache-2.0
// The inlined part of Snapshot::find; for the library's own use.
//
// Where layers are is learned from the index, a tree of shared nodes. A process that looks layers
// up in one generation again and again notes the places in private memory, one word for each layer
// number, so that the next look-up is little more than an array access (docs/adr/0006).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "strata/layer.hpp"
#include "strata/types.hpp"

namespace strata::detail {

/// The noted places of one dimension in one generation: one cache line.
struct alignas(64) PlaceList {
    static constexpr std::uint64_t used = std::uint64_t{1} << 32;
    static constexpr unsigned size_shift = 40;
    static constexpr std::uint64_t offset_mask = (std::uint64_t{1} << size_shift) - 1;
    static constexpr std::uint64_t size_limit = 0xFF'FFFF;  // larger layers are not noted

    std::atomic<std::uint64_t> tag{0};  // dimension | used
    std::uint64_t count = 0;            // of places: layer numbers below it can be noted
    /// size << 40 | offset of the payload from `base`; 0: not known. Whoever walks the index notes
    /// what he sees; as the generation is immutable, all write the same.
    std::uint64_t* places = nullptr;
    const std::byte* base = nullptr;
    std::uint64_t slot_word = 0;  // the mapping's slot, as a Layer carries it

    /// Relaxed: the word says all by itself, and the bytes it leads to were published before the
    /// snapshot that leads here.
    std::uint64_t place(std::uint64_t layer) const noexcept {
        return std::atomic_ref<std::uint64_t>(places[layer]).load(std::memory_order_relaxed);
    }
    void note(std::uint64_t layer, const Layer& found) const noexcept {
        if (layer < count && found.size() < size_limit) {
            const auto offset = static_cast<std::uint64_t>(found.data() - base);
            std::atomic_ref<std::uint64_t>(places[layer])
                .store(found.size() << size_shift | offset, std::memory_order_relaxed);
        }
    }
    /// Unchecked: `note` got the place from a walk that checked it against the mapping's end.
    Layer layer_at(std::uint64_t place) const noexcept {
        return Layer::from_words(base + (place & offset_mask), slot_word | place >> size_shift);
    }
};

struct PlaceTable {
    static constexpr std::size_t size = 64;

    /// The list of a dimension, if it has one.
    const PlaceList* list_of(Dimension dimension) const noexcept {
        const PlaceList& list = lists[dimension % size];
        // Acquire; partner: the release in View::open_list.
        const std::uint64_t tag = list.tag.load(std::memory_order_acquire);
        return tag == (dimension | PlaceList::used) ? &list : nullptr;
    }
    std::array<PlaceList, size> lists;
};

}  // namespace strata::detail
