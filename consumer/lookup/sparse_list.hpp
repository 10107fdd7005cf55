// SPDX-License-Identifier: Apache-2.0
// The cached places of one version of a dimension whose layer numbers are far apart: random ones,
// or those of names. A hash table of {number, place} that threads fill while others read it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "consumer/lookup/seeded_hash.hpp"
#include "strata/detail/dense_list.hpp"

namespace strata::consumer_impl {

/// Open addressing, linear probing over at most `most_probes` entries (so many stand behind the
/// last one that a number may begin at): crafted numbers cost no more than that. Entries come and
/// never go; what an entry says changes only while nobody reads.
class SparseList {
public:
    struct Free {
        void operator()(SparseList* list) const noexcept { std::free(list); }
    };
    using Pointer = std::unique_ptr<SparseList, Free>;

    static constexpr std::uint64_t most_probes = 48;

    static std::uint64_t bytes_for(std::uint64_t capacity) noexcept;
    /// Null if there is no memory.
    static Pointer make(std::uint64_t capacity, std::uint64_t layers, std::uint64_t slot_word,
                        const SeededHash& hash) noexcept;

    std::uint64_t capacity() const noexcept { return capacity_; }
    std::uint64_t slot_word() const noexcept { return slot_word_; }
    std::uint64_t bytes() const noexcept { return bytes_for(capacity_); }
    /// Entries of layers that exist.
    std::uint64_t live() const noexcept { return live_.load(std::memory_order_relaxed); }

    /// CachedPlace of a layer: `absent` if the list knows all layers and not this one.
    std::uint64_t find(std::uint64_t layer) const noexcept {
        // Acquire, before the probing; partner: the release in `count`. If all layers had their
        // entries then, the probing finds each.
        const std::uint64_t live = live_.load(std::memory_order_acquire);
        const Entry* entry = entries() + home_of(layer);
        for (std::uint64_t probe = 0; probe < most_probes; ++probe, ++entry) {
            // Acquire; partner: the release in `put`, after the number.
            const std::uint64_t place = entry->place.load(std::memory_order_acquire);
            if (entry->number.load(std::memory_order_relaxed) == layer &&
                place != detail::CachedPlace::unknown) [[likely]] {
                return place;
            }
            if (place == detail::CachedPlace::unknown) {
                break;
            }
        }
        return live == layers_ ? detail::CachedPlace::absent : detail::CachedPlace::unknown;
    }
    void prefetch(std::uint64_t layer) const noexcept {
        __builtin_prefetch(&entries()[home_of(layer)]);
    }

    /// Adds a layer that a walk has found. Does nothing if another thread is adding one, or there
    /// is no room.
    void add(std::uint64_t layer, const Layer& found) noexcept;

    // While nobody reads or adds.
    /// What a layer is now; an empty one: it is gone. False: no room.
    bool replace(std::uint64_t layer, const Layer& now) noexcept;
    /// The list is of another version from now on, whose mapping lies `shift` bytes behind.
    void adopt(std::uint64_t layers, std::uint64_t slot_word, std::int64_t shift) noexcept;
    /// Takes over what another list knows. False: no room.
    bool copy_from(const SparseList& other) noexcept;

private:
    struct Entry {
        std::atomic<std::uint64_t> number;
        std::atomic<std::uint64_t> place;  // CachedPlace; unknown: the entry is free
    };
    static_assert(sizeof(Entry) == 16);

    SparseList(std::uint64_t capacity, std::uint64_t layers, std::uint64_t slot_word,
               const SeededHash& hash) noexcept
        : capacity_(capacity), layers_(layers), slot_word_(slot_word), hash_(hash) {}

    Entry* entries() noexcept { return reinterpret_cast<Entry*>(this + 1); }
    const Entry* entries() const noexcept { return reinterpret_cast<const Entry*>(this + 1); }
    std::uint64_t home_of(std::uint64_t layer) const noexcept {
        __extension__ using Wide = unsigned __int128;
        return static_cast<std::uint64_t>(static_cast<Wide>(hash_(layer)) * capacity_ >> 64);
    }
    static bool is_live(std::uint64_t place) noexcept {
        return place > detail::CachedPlace::absent;
    }
    bool put(std::uint64_t layer, std::uint64_t place) noexcept;
    void count(std::int64_t difference) noexcept;

    std::uint64_t capacity_;
    std::uint64_t layers_;
    std::uint64_t slot_word_;
    SeededHash hash_;
    std::atomic<std::uint64_t> live_{0};
    std::uint64_t used_ = 0;  // entries that are not free; guarded by `busy_`
    std::atomic<bool> busy_{false};
};

}  // namespace strata::consumer_impl
