// SPDX-License-Identifier: Apache-2.0
// One generation, as this process reads it: the root's numbers and the dimensions touched so far.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "consumer/cache_aligned.hpp"
#include "consumer/hold_cell.hpp"
#include "ipc/index_view.hpp"
#include "ipc/layout.hpp"
#include "ipc/region_file.hpp"
#include "strata/snapshot.hpp"

namespace strata::consumer_impl {

class Session;

/// A dimension that somebody looked at through this view. One cache line: all that `find` needs.
struct alignas(64) TouchedDimension : CacheAligned {
    /// view.stamp << 32 | dimension. Another stamp: the place is free (left over from an earlier
    /// use of the View), so that reusing a View clears nothing.
    std::atomic<std::uint64_t> tag{0};
    ipc::IndexView index{};
    std::atomic<const detail::PlaceList*> list{nullptr};
    /// Look-ups until a place list is worth its memory; 0: that was tried. Counted by whoever
    /// walks, without a read-modify-write: a few that get lost do not matter.
    std::atomic<std::uint32_t> walks_left{0};
    /// How many more if an older generation's list turns out to be still in use: a copy costs more
    /// than taking over. Session's mutex.
    std::uint32_t walks_for_copy = 0;
};
static_assert(sizeof(TouchedDimension) == 64);

struct FreePlaces {
    void operator()(std::uint64_t* places) const noexcept { std::free(places); }
};
/// From calloc: large ones take memory only where places are noted.
struct PlaceArray {
    std::unique_ptr<std::uint64_t[], FreePlaces> places;
    std::uint64_t bytes = 0;
    std::uint32_t list = 0;  // index in PlaceTable::lists
};

/// A View is reused for generation after generation and freed only with its session, so that a
/// thread with a stale pointer to it may still touch `refs`.
///
/// refs: number of snapshots that are not noted in a HoldCell, and two flags.
///   closed   no generation is loaded; taking fails, the count may be off by threads backing out
///   retired  not the session's current view any more; to be closed when nobody holds it
/// The fields below `refs` are written while it is closed, under the session's mutex.
struct View : detail::PlaceTable, CacheAligned {
    static constexpr std::uint32_t closed = std::uint32_t{1} << 31;
    static constexpr std::uint32_t retired = std::uint32_t{1} << 30;

    static constexpr std::uint32_t flags = closed | retired;

    explicit View(Session& owner) : session(&owner) {}

    std::atomic<std::uint32_t> refs{closed};
    std::uint32_t stamp = 0;
    std::uint32_t mask = 0;  // of the table's index
    TouchedDimension* table = nullptr;
    std::uint64_t generation = 0;
    std::uint64_t root_offset = 0;
    std::uint64_t epoch = 0;  // that is pinned for this view
    Session* const session;
    ipc::IndexView directory{};
    ipc::RootRecord root{};
    std::unique_ptr<TouchedDimension[]> storage;
    std::vector<std::shared_ptr<ipc::RegionMapping>> regions;  // kept mapped; session's mutex
    std::vector<PlaceArray> place_arrays;                      // session's mutex

    std::uint64_t tag_of(Dimension dimension) const noexcept {
        return (std::uint64_t{stamp} << 32) | dimension;
    }

    /// The dimension, if it was touched before; no lock.
    TouchedDimension* touched(Dimension dimension) const noexcept {
        const std::uint64_t wanted = tag_of(dimension);
        for (std::uint32_t i = dimension & mask;; i = (i + 1) & mask) {
            // Acquire; partner: the release in `insert`. The table is never more than half full.
            const std::uint64_t tag = table[i].tag.load(std::memory_order_acquire);
            if (tag == wanted) [[likely]] {
                return &table[i];
            }
            if ((tag >> 32) != stamp) {
                return nullptr;
            }
        }
    }

    /// Look-ups that walk slower than noted ones by as much as taking a list over costs.
    static constexpr std::uint32_t walks_worth_inheriting = 256;

    static std::uint32_t walks_worth_a_list(std::uint64_t layers) noexcept {
        return static_cast<std::uint32_t>(
            std::clamp<std::uint64_t>(layers / 64, 64, std::uint64_t{1} << 31));
    }

    /// Adds a dimension; session's mutex held, not present yet.
    TouchedDimension* insert(Dimension dimension, const ipc::IndexView& index) noexcept {
        std::uint32_t i = dimension & mask;
        while ((table[i].tag.load(std::memory_order_relaxed) >> 32) == stamp) {
            i = (i + 1) & mask;
        }
        table[i].index = index;
        table[i].list.store(nullptr, std::memory_order_relaxed);
        table[i].walks_left.store(walks_worth_a_list(index.layers), std::memory_order_relaxed);
        table[i].walks_for_copy = 0;
        table[i].tag.store(tag_of(dimension), std::memory_order_release);
        return &table[i];
    }
};

/// A view that the caller owns a hold on: in its cell, or (no cell) counted in `refs`.
struct Held {
    View* view = nullptr;
    HoldCell* cell = nullptr;
};

/// The library's way into a Snapshot.
struct Access {
    static Snapshot make(const Held& held) noexcept { return Snapshot(held.view, held.cell); }
    static View* view_of(const Snapshot& snapshot) noexcept {
        return static_cast<View*>(snapshot.table_);  // safe: all tables are the base of a View
    }
};

}  // namespace strata::consumer_impl
