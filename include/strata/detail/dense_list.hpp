// SPDX-License-Identifier: Apache-2.0
// The inlined part of Snapshot::find; for the library's own use. A dimension that is looked into
// often has a list in private memory that leads from layer number to payload, one word each; a
// snapshot finds the lists of some dimensions by their number alone (docs/adr/0011).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "strata/layer.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

/// The word of a cached layer: address of the payload << 16 | size. Self-contained, so relaxed
/// loads and stores do. Below `least`: none, and why.
struct CachedPlace {
    static constexpr unsigned address_shift = 16;
    static constexpr std::uint64_t most_bytes = 0xFFFF;  // larger layers are not cached
    static constexpr std::uint64_t unknown = 0;
    static constexpr std::uint64_t absent = 1;    // sparse lists: there is no such layer
    static constexpr std::uint64_t uncached = 2;  // sparse lists: there is, but it has no word
    static constexpr std::uint64_t least = most_bytes + 1;

    /// `uncached` if the layer is too large, or the address.
    static std::uint64_t of(const Layer& layer) noexcept {
        const auto address = reinterpret_cast<std::uintptr_t>(layer.data());
        const std::uint64_t word = std::uint64_t{address} << address_shift | layer.size();
        return layer.size() <= most_bytes && word >> address_shift == address ? word : uncached;
    }
    /// Unchecked: the word comes from a walk that checked it against the mapping's end.
    static Layer layer_of(std::uint64_t word, std::uint64_t slot_word) noexcept {
        const auto* const payload =
            reinterpret_cast<const std::byte*>(static_cast<std::uintptr_t>(word >> address_shift));
#if defined(__GNUC__)
        if (payload == nullptr) {
            __builtin_unreachable();  // so that the caller's test for a layer is optimized away
        }
#endif
        return Layer::from_words(payload, slot_word | (word & most_bytes));
    }
};

/// The list of a dimension with dense layer numbers, in the generations of one version of it: half
/// a cache line. A look-up is bound by the number of its loads, so one word says what two could.
struct alignas(32) DenseList {
    static constexpr std::uint64_t most_words = 0xFFFF'FFFF;

    std::atomic<std::uint64_t> tag{0};  // count << 32 | dimension; 0: free
    std::uint64_t count = 0;            // of words: for layer numbers below it
    /// CachedPlace; 0: not known. Filled by index walks; racing writers store equal values, because
    /// a version of a dimension does not change.
    std::uint64_t* words = nullptr;
    std::uint64_t slot_word = 0;  // the mapping's slot, as a Layer carries it

    static std::uint64_t tag_of(Dimension dimension, std::uint64_t count) noexcept {
        return count << 32 | dimension;
    }
    /// Number of words if it is that dimension's list, else 0: there is no empty list.
    std::uint64_t count_of(Dimension dimension) const noexcept {
        // Acquire; partner: the release in VersionTable::publish_list and in FrontTable::add.
        const std::uint64_t found = tag.load(std::memory_order_acquire);
        return static_cast<Dimension>(found) == dimension ? found >> 32 : 0;
    }
    /// Relaxed: the word is self-contained, and the bytes it leads to were published before the
    /// snapshot that leads here.
    static std::uint64_t load(std::uint64_t* words, std::uint64_t layer) noexcept {
        return std::atomic_ref<std::uint64_t>(words[layer]).load(std::memory_order_relaxed);
    }
    std::uint64_t word(std::uint64_t layer) const noexcept { return load(words, layer); }
    std::uint64_t word_of(LayerId id) const noexcept {
        return id.layer < count_of(id.dimension) ? word(id.layer) : CachedPlace::unknown;
    }
    void store(std::uint64_t layer, const Layer& found) const noexcept {
        const std::uint64_t place = CachedPlace::of(found);
        if (layer < count && place != CachedPlace::uncached) {
            std::atomic_ref<std::uint64_t>(words[layer]).store(place, std::memory_order_relaxed);
        }
    }
    Layer layer_at(std::uint64_t word) const noexcept {
        return CachedPlace::layer_of(word, slot_word);
    }
};

/// Copies of the lists of those dimensions whose numbers differ modulo 256, so that no number needs
/// hashing. As soon as two collide the table is closed for the snapshot: it would be guessed wrong
/// whether a look-up ends here.
struct alignas(64) FrontTable {
    static constexpr std::size_t size = 256;

    const DenseList& list_for(Dimension dimension) const noexcept {
        return lists[dimension % size];
    }
    std::array<DenseList, size> lists;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
