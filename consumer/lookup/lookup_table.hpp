// SPDX-License-Identifier: Apache-2.0
// The first step of a look-up: an open-addressing table from dimension and generation to a version
// of the dimension, read without a lock while entries are added.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "consumer/lookup/seeded_hash.hpp"
#include "strata/layer.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {

struct CachedDimension;

/// Where the table leads: half a cache line, so that one miss tells all.
struct alignas(32) LookupEntry {
    /// first << 32 | last - first, counted from the table's base; or, without an end so far, first
    /// << 32 | chain. 0: never used.
    std::atomic<std::uint64_t> generations;
    /// count << 32 | dimension, as DenseList::tag: 0 words unless it has a dense list.
    std::atomic<std::uint64_t> tag;
    /// slot of the mapping << 48 | address of the list | 1 if it is sparse; 0: none.
    std::atomic<std::uint64_t> list;
    std::atomic<CachedDimension*> version;

    static constexpr std::uint64_t sparse = 1;
    static constexpr std::uint64_t address_mask = (std::uint64_t{1} << Layer::slot_shift) - 1;
    /// Of an entry that is free again.
    static constexpr std::uint64_t no_generations = std::uint64_t{0xFFFF'FFFF} << 32;
    /// Chains have this bit, lengths have not.
    static constexpr std::uint32_t endless = std::uint32_t{1} << 31;

    /// Generations that can be counted from a base; one less than fit, for `no_generations`.
    static constexpr std::uint64_t span = 0xFFFF'FFFE;

    /// Whether a reader of this chain may believe it, in a generation that is counted from the
    /// base, or before it.
    static bool holds(std::uint64_t generations, std::uint64_t relative,
                      std::uint32_t chain) noexcept {
        const std::uint64_t since = relative - (generations >> 32);
        const auto length = static_cast<std::uint32_t>(generations);
        return length < endless ? since <= length : length == chain && since <= span;
    }
};
static_assert(sizeof(LookupEntry) == 32);

/// Never more than half full. Its entries follow it in memory.
class alignas(64) LookupTable {
public:
    struct Free {
        void operator()(LookupTable* table) const noexcept { std::free(table); }
    };
    using Pointer = std::unique_ptr<LookupTable, Free>;

    static constexpr std::uint64_t span = LookupEntry::span;

    /// `capacity`: a power of two. Throws std::bad_alloc.
    static Pointer make(Generation base, std::uint64_t capacity, const SeededHash& hash);

    struct Found {
        const LookupEntry* entry = nullptr;
        std::uint64_t tag = 0;  // of the entry
    };
    /// The entry of a dimension in a generation that the caller holds; none if it was not looked
    /// into there, nor in another one of its chain, if it has one. Valid while the view is held.
    Found find(Generation generation, Dimension dimension, std::uint32_t chain = 0) const noexcept {
        const std::uint64_t relative = generation - base_;
        for (std::uint64_t at = home_of(dimension);; at = (at + 1) & mask_) {
            const LookupEntry& entry = entries()[at];
            // Acquire, and first; partner: the release in VersionTable::note. As long as a view of
            // a generation in the range is open the entry is of that version; what others say is
            // not believed.
            const std::uint64_t generations = entry.generations.load(std::memory_order_acquire);
            // Acquire; partner: the release in VersionTable::publish_list.
            const std::uint64_t tag = entry.tag.load(std::memory_order_acquire);
            if (static_cast<Dimension>(tag) == dimension &&
                LookupEntry::holds(generations, relative, chain)) [[likely]] {
                return {&entry, tag};
            }
            if (generations == 0) {
                return {};
            }
        }
    }

    Generation base() const noexcept { return base_; }
    std::uint64_t capacity() const noexcept { return mask_ + 1; }
    std::uint64_t bytes() const noexcept { return bytes_for(capacity()); }
    LookupEntry& at(std::uint64_t index) noexcept { return entries()[index & mask_]; }
    /// Where the search for a dimension begins.
    std::uint64_t home_of(Dimension dimension) const noexcept { return hash_(dimension) >> shift_; }
    /// Whether a generation can be counted from the base.
    bool counts(Generation generation) const noexcept {
        return generation > base_ && generation - base_ <= span;
    }

    std::uint64_t used = 0;  // entries that are not as they were made; the owner's

private:
    LookupTable(Generation base, std::uint64_t capacity, const SeededHash& hash) noexcept;
    static std::uint64_t bytes_for(std::uint64_t capacity) noexcept {
        return sizeof(LookupTable) + capacity * sizeof(LookupEntry);
    }
    LookupEntry* entries() noexcept { return reinterpret_cast<LookupEntry*>(this + 1); }
    const LookupEntry* entries() const noexcept {
        return reinterpret_cast<const LookupEntry*>(this + 1);
    }

    const Generation base_;
    const std::uint64_t mask_;
    const std::uint64_t shift_;
    const SeededHash hash_;
};

}  // namespace strata::consumer_impl
