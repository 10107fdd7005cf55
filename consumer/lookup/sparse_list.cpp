// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/sparse_list.hpp"

#include <cstring>
#include <new>

namespace strata::consumer_impl {

using detail::CachedPlace;

std::uint64_t SparseList::bytes_for(std::uint64_t capacity) noexcept {
    return sizeof(SparseList) + (capacity + most_probes) * sizeof(Entry);
}

SparseList::Pointer SparseList::make(std::uint64_t capacity, std::uint64_t layers,
                                     std::uint64_t slot_word, const SeededHash& hash) noexcept {
    // Zeros are free entries; large tables take memory only where they are used.
    void* const memory = std::calloc(1, bytes_for(capacity));
    return Pointer(memory != nullptr ? ::new (memory) SparseList(capacity, layers, slot_word, hash)
                                     : nullptr);
}

void SparseList::count(std::int64_t difference) noexcept {
    // Release, with the acquire in `find`: a reader that sees all layers counted finds all entries.
    live_.store(live_.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(difference),
                std::memory_order_release);
}

bool SparseList::put(std::uint64_t layer, std::uint64_t place) noexcept {
    Entry* const home = entries() + home_of(layer);
    for (Entry* at = home; at != home + most_probes; ++at) {
        Entry& entry = *at;
        const std::uint64_t old = entry.place.load(std::memory_order_relaxed);
        if (old == CachedPlace::unknown) {
            if (used_ >= capacity_ - capacity_ / 8) {
                return false;  // fuller, and what is absent would be probed for long
            }
            ++used_;
            entry.number.store(layer, std::memory_order_relaxed);
            entry.place.store(place, std::memory_order_release);  // partner: `find`
            count(is_live(place) ? 1 : 0);
            return true;
        }
        if (entry.number.load(std::memory_order_relaxed) == layer) {
            entry.place.store(place, std::memory_order_release);
            count((is_live(place) ? 1 : 0) - (is_live(old) ? 1 : 0));
            return true;
        }
    }
    return false;
}

void SparseList::add(std::uint64_t layer, const Layer& found) noexcept {
    // Acquire and release: one thread at a time; they hand over `used_` and `live_`.
    if (!busy_.exchange(true, std::memory_order_acquire)) {
        put(layer, CachedPlace::of(found));
        busy_.store(false, std::memory_order_release);
    }
}

bool SparseList::replace(std::uint64_t layer, const Layer& now) noexcept {
    return put(layer, now ? CachedPlace::of(now) : CachedPlace::absent);
}

void SparseList::adopt(std::uint64_t layers, std::uint64_t slot_word, std::int64_t shift) noexcept {
    layers_ = layers;
    slot_word_ = slot_word;
    const std::uint64_t moved = static_cast<std::uint64_t>(shift) << CachedPlace::address_shift;
    for (std::uint64_t at = 0; moved != 0 && at < capacity_ + most_probes; ++at) {
        const std::uint64_t place = entries()[at].place.load(std::memory_order_relaxed);
        if (place >= CachedPlace::least) {
            entries()[at].place.store(place + moved, std::memory_order_relaxed);
        }
    }
}

bool SparseList::copy_from(const SparseList& other) noexcept {
    for (std::uint64_t at = 0; at < other.capacity_ + most_probes; ++at) {
        // Acquire: others may still be adding to it; partner: the release in `put`.
        const std::uint64_t place = other.entries()[at].place.load(std::memory_order_acquire);
        if (is_live(place) &&
            !put(other.entries()[at].number.load(std::memory_order_relaxed), place)) {
            return false;
        }
    }
    return true;
}

}  // namespace strata::consumer_impl
