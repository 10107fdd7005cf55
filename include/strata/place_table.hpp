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

/// The noted places of one dimension in one generation: one cache line. A look-up is bound by the
/// number of its loads, so one word says what two could: dimension and count, address and size.
struct alignas(64) PlaceList {
    static constexpr unsigned address_shift = 16;
    static constexpr std::uint64_t most_bytes = 0xFFFF;  // larger layers are not noted
    static constexpr std::uint64_t most_places = 0xFFFF'FFFF;

    std::atomic<std::uint64_t> tag{0};  // count << 32 | dimension; 0: free
    std::uint64_t count = 0;            // of places: layer numbers below it can be noted
    /// address of the payload << 16 | size; 0: not known. Whoever walks the index notes what he
    /// sees; as the generation is immutable, all write the same.
    std::uint64_t* places = nullptr;
    std::uint64_t slot_word = 0;      // the mapping's slot, as a Layer carries it
    const std::byte* base = nullptr;  // of the mapping

    static std::uint64_t tag_of(Dimension dimension, std::uint64_t count) noexcept {
        return count << 32 | dimension;
    }
    /// Number of places if it is that dimension's list, else 0: there is no empty list.
    std::uint64_t count_of(Dimension dimension) const noexcept {
        // Acquire; partner: the release in Session::open_place_list.
        const std::uint64_t found = tag.load(std::memory_order_acquire);
        return static_cast<Dimension>(found) == dimension ? found >> 32 : 0;
    }
    bool can_note(LayerId id) const noexcept { return id.layer < count_of(id.dimension); }
    /// Relaxed: the word says all by itself, and the bytes it leads to were published before the
    /// snapshot that leads here.
    static std::uint64_t load(std::uint64_t* places, std::uint64_t layer) noexcept {
        return std::atomic_ref<std::uint64_t>(places[layer]).load(std::memory_order_relaxed);
    }
    std::uint64_t place(std::uint64_t layer) const noexcept { return load(places, layer); }
    std::uint64_t place_of(LayerId id) const noexcept { return can_note(id) ? place(id.layer) : 0; }
    void note(std::uint64_t layer, const Layer& found) const noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(found.data());
        const std::uint64_t place = std::uint64_t{address} << address_shift | found.size();
        if (layer < count && found.size() <= most_bytes && place >> address_shift == address) {
            std::atomic_ref<std::uint64_t>(places[layer]).store(place, std::memory_order_relaxed);
        }
    }
    /// Unchecked: `note` got the place from a walk that checked it against the mapping's end.
    static Layer layer_of(std::uint64_t place, std::uint64_t slot_word) noexcept {
        const auto* const payload =
            reinterpret_cast<const std::byte*>(static_cast<std::uintptr_t>(place >> address_shift));
#if defined(__GNUC__)
        if (payload == nullptr) {
            __builtin_unreachable();  // so that nobody asks again whether there is a layer
        }
#endif
        return Layer::from_words(payload, slot_word | (place & most_bytes));
    }
    Layer layer_at(std::uint64_t place) const noexcept { return layer_of(place, slot_word); }
};

struct PlaceTable {
    static constexpr std::size_t size = 64;

    /// The list that the layer would be in; it may be another dimension's.
    const PlaceList& list_for(LayerId id) const noexcept { return lists[id.dimension % size]; }
    /// The list of a dimension, if it has one.
    const PlaceList* list_of(Dimension dimension) const noexcept {
        const PlaceList& list = lists[dimension % size];
        return list.count_of(dimension) != 0 ? &list : nullptr;
    }
    std::array<PlaceList, size> lists;
};

}  // namespace strata::detail
