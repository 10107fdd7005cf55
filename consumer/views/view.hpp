// SPDX-License-Identifier: Apache-2.0
// One generation, as this process reads it: the root's numbers, who holds it, and the lists that
// are found by a dimension's number alone.
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "consumer/lookup/cache_aligned.hpp"
#include "consumer/lookup/lookup_cache.hpp"
#include "consumer/views/hazard_slot.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/index/view.hpp"
#include "strata/snapshot.hpp"

namespace strata::consumer_impl {

class Session;

/// A View is reused for generation after generation and freed only with its session, so that a
/// thread with a stale pointer to it may still touch `refs`.
///
/// refs: number of snapshots that are not noted in a HazardSlot, and three marks.
///   closed   no generation is loaded; taking fails, the count may be off by threads backing out
///   retired  not the pool's current view any more; to be closed when nobody holds it
///   fenced   a taker with a slot has to pass a fence before it loads the other two
/// The fields below `refs` are written while it is closed, under the pool's mutex.
struct View : detail::FrontTable, CacheAligned {
    static constexpr std::uint32_t closed = std::uint32_t{1} << 31;
    static constexpr std::uint32_t retired = std::uint32_t{1} << 30;
    static constexpr std::uint32_t fenced = std::uint32_t{1} << 29;

    static constexpr std::uint32_t flags = closed | retired;  // it may not be taken
    static constexpr std::uint32_t marks = flags | fenced;    // not without a fence

    View(Session& owner, const LookupCache& lookups) : session(&owner), cache(&lookups) {}

    std::atomic<std::uint32_t> refs{closed};
    /// Beside the lists of the front table: the versions, also those that have no list yet.
    std::array<std::atomic<CachedDimension*>, size> front_versions{};
    // Whether dimensions may be added to the front table: until two collide.
    std::atomic<bool> front_open{false};
    std::array<std::uint64_t, size / 64> front_used{};  // bit i: lists[i] is set
    /// The cache's table as it was when this view was last added to it, or opened.
    std::atomic<const LookupTable*> table{nullptr};
    /// The chain of generations whose versions it may believe (version_table.hpp); 0: none.
    std::atomic<std::uint32_t> chain{0};
    /// It has not joined its chain, to see how much is asked of it.
    std::atomic<bool> asking{false};
    std::uint64_t opened = 0;  // its number among all that were
    std::uint64_t generation = 0;
    std::uint64_t root_offset = 0;
    std::uint64_t epoch = 0;  // that is pinned for this view
    Session* const session;
    const LookupCache* const cache;  // the session's
    ipc::IndexView directory{};
    ipc::RootRecord root{};

    /// What is known of a dimension in this generation, if anything yet. Any thread that holds
    /// the view.
    LookupTable::Found entry_of(Dimension dimension) const noexcept {
        // Acquire, and first; partners: the releases in `join` and `use_table`.
        const std::uint32_t joined = chain.load(std::memory_order_acquire);
        return table.load(std::memory_order_acquire)->find(generation, dimension, joined);
    }
    /// What differs from the generation before has been marked in the table: the newest, for older
    /// ones do not say what has ended since. The pool's mutex.
    void join(std::uint32_t compared) noexcept {
        use_table();
        asking.store(false, std::memory_order_relaxed);
        chain.store(compared, std::memory_order_release);
    }
    /// In no chain, until it joins one. Nobody reads it yet, or the pool's mutex.
    void stay_out(bool ask) noexcept {
        asking.store(ask, std::memory_order_relaxed);
        chain.store(0, std::memory_order_relaxed);
    }
    /// The pool's mutex.
    void use_table() noexcept { table.store(&cache->table(), std::memory_order_release); }

    /// The version of a dimension, if the front table has it. Any thread that holds the view.
    CachedDimension* front_version(Dimension dimension) const noexcept {
        // Acquire; partner: the release in `add_to_front`.
        CachedDimension* const found =
            front_versions[dimension % size].load(std::memory_order_acquire);
        return found != nullptr && found->dimension == dimension ? found : nullptr;
    }
    /// A version of a dimension in this generation. The pool's mutex.
    void add_to_front(CachedDimension& version) noexcept {
        if (!front_open.load(std::memory_order_relaxed)) {
            return;
        }
        const std::size_t at = version.dimension % size;
        CachedDimension* const other = front_versions[at].load(std::memory_order_relaxed);
        if (other != nullptr && other->dimension != version.dimension) {
            close_front();
            return;
        }
        front_used[at / 64] |= std::uint64_t{1} << at % 64;
        // Release; partner: the acquire in `front_version`.
        front_versions[at].store(&version, std::memory_order_release);
        detail::DenseList& list = lists[at];
        if (version.words != nullptr && list.tag.load(std::memory_order_relaxed) == 0) {
            list.count = version.dense.count;
            list.words = version.dense.words;
            list.slot_word = version.dense.slot_word;
            // Release; partner: the acquire in DenseList::count_of.
            list.tag.store(version.dense.tag.load(std::memory_order_relaxed),
                           std::memory_order_release);
        }
    }
    /// How many dimensions the front table has. The pool's mutex.
    unsigned front_count() const noexcept {
        unsigned count = 0;
        for (const std::uint64_t used : front_used) {
            count += static_cast<unsigned>(std::popcount(used));
        }
        return count;
    }
    /// visit(version) for each in the front table. The pool's mutex.
    template <class Visit>
    void visit_front(Visit visit) const {
        for (std::size_t word = 0; word < front_used.size(); ++word) {
            for (std::uint64_t used = front_used[word]; used != 0; used &= used - 1) {
                const auto at = word * 64 + static_cast<std::size_t>(std::countr_zero(used));
                visit(*front_versions[at].load(std::memory_order_relaxed));
            }
        }
    }
    /// What was found there stays usable: only the way to it is removed.
    void close_front() noexcept {
        front_open.store(false, std::memory_order_relaxed);
        for (std::size_t word = 0; word < front_used.size(); ++word) {
            for (std::uint64_t& used = front_used[word]; used != 0; used &= used - 1) {
                const auto at = word * 64 + static_cast<std::size_t>(std::countr_zero(used));
                lists[at].tag.store(0, std::memory_order_relaxed);
                front_versions[at].store(nullptr, std::memory_order_relaxed);
            }
        }
    }
};

/// A view that the caller owns a hold on: in its slot, or (no slot) counted in `refs`.
struct Held {
    View* view = nullptr;
    HazardSlot* slot = nullptr;
};

/// The library's way into a Snapshot.
struct Access {
    static Snapshot make(const Held& held) noexcept { return Snapshot(held.view, held.slot); }
    static View* view_of(const Snapshot& snapshot) noexcept {
        return static_cast<View*>(snapshot.table_);  // safe: all tables are the base of a View
    }
};

}  // namespace strata::consumer_impl
