// SPDX-License-Identifier: Apache-2.0
// Looking a layer up in a view: through the look-up cache, else by walking the shared index. Empty
// if there is none; whatever keeps it from being read is thrown.
#pragma once

#include "consumer/attachment/session.hpp"
#include "consumer/lookup/cached_dimension.hpp"
#include "consumer/views/view.hpp"
#include "strata/layer.hpp"

namespace strata::consumer_impl {

/// The layer, of any dimension; `entry`: what is known of it, if anything.
Layer find_slowly(View& view, const LookupEntry* entry, LayerId id);
/// The layer with that number in a version of a dimension that the view has.
Layer find_in_version(View& view, CachedDimension& version, std::uint64_t layer);
/// The index of a version contradicts the format.
[[noreturn, gnu::cold]] void fail_damaged(const CachedDimension& version, std::uint64_t layer);

/// What an entry's list says of a layer: a CachedPlace, and the word that makes a Layer of it.
struct CachedWord {
    std::uint64_t place = detail::CachedPlace::unknown;
    std::uint64_t slot_word = 0;

    bool is_layer() const noexcept { return place >= detail::CachedPlace::least; }
    Layer layer() const noexcept { return detail::CachedPlace::layer_of(place, slot_word); }
};

inline void* list_address(std::uint64_t list) noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): packed with the mapping's slot
    return reinterpret_cast<void*>(list & LookupEntry::address_mask);
}

/// Null if it is not a sparse one.
inline const SparseList* sparse_list(std::uint64_t list) noexcept {
    return (list & LookupEntry::sparse) != 0
               ? static_cast<const SparseList*>(list_address(list - LookupEntry::sparse))
               : nullptr;
}

inline CachedWord cached_word(const LookupTable::Found& found, std::uint64_t layer) noexcept {
    // Acquire; partner: the release in VersionTable::publish_list.
    const std::uint64_t list = found.entry->list.load(std::memory_order_acquire);
    const std::uint64_t slot_word = list & ~LookupEntry::address_mask;
    if (layer < found.tag >> 32) [[likely]] {  // then it has a dense list
        auto* const words = static_cast<std::uint64_t*>(list_address(list));
        return {detail::DenseList::load(words, layer), slot_word};
    }
    const auto* const sparse = sparse_list(list);
    return sparse != nullptr ? CachedWord{sparse->find(layer), slot_word} : CachedWord{};
}

/// A generation whose view was closed and opened again has its entries in the look-up table, but a
/// front table that is empty: the dimension comes back to it with its first look-up.
inline void return_to_front(View& view, Dimension dimension, const LookupEntry& entry) noexcept {
    if (view.front_open.load(std::memory_order_relaxed) && view.front_version(dimension) == nullptr)
        [[unlikely]] {
        view.session->views().add_to_front(view, *entry.version.load(std::memory_order_relaxed));
    }
}

/// The layer, of any dimension; for what the view's front table does not know.
inline Layer find_further(View& view, LayerId id) {
    if (CachedDimension* const version = view.front_version(id.dimension)) {
        return find_in_version(view, *version, id.layer);
    }
    const LookupTable::Found found = view.entry_of(id.dimension);
    if (found.entry != nullptr) [[likely]] {
        return_to_front(view, id.dimension, *found.entry);
        const CachedWord word = cached_word(found, id.layer);
        if (word.is_layer()) [[likely]] {
            return word.layer();
        }
        if (word.place == detail::CachedPlace::absent) {
            return {};
        }
    }
    return find_slowly(view, found.entry, id);
}

/// Prefetches the memory that `cached_word` will read.
inline void prefetch_word(const LookupTable::Found& found, std::uint64_t layer) noexcept {
    // Acquire; partner: the release in VersionTable::publish_list.
    const std::uint64_t list = found.entry->list.load(std::memory_order_acquire);
    if (layer < found.tag >> 32) {
        __builtin_prefetch(static_cast<const std::uint64_t*>(list_address(list)) + layer);
    } else if (const auto* const sparse = sparse_list(list)) {
        sparse->prefetch(layer);
    }
}

}  // namespace strata::consumer_impl
