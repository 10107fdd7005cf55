// SPDX-License-Identifier: Apache-2.0
// A thread's own note "I hold this view", so that taking and dropping a snapshot needs no atomic
// read-modify-write. The price is paid by who closes a view: it makes all threads of the process
// pass a memory barrier (membarrier(2)) before it reads their notes. The scheme is that of hazard
// pointers (Michael, "Hazard Pointers", IEEE TPDS 2004) with an asymmetric fence.
//
// The two sides, and why one of them sees the other:
//   taker:  held = view;          light_barrier();  look at the view's flags
//   closer: flag the view closed; heavy_barrier();  look at `held`
// heavy_barrier() puts a full barrier between the two steps of every taker that is under way.
// Equally with `held = null` / `nudge` on the dropper's side.
#pragma once

#include <atomic>
#include <cstdint>

#include "consumer/cache_aligned.hpp"
#include "ipc/sanitizer.hpp"

namespace strata::consumer_impl {

struct View;

struct alignas(64) HoldCell : CacheAligned {
    std::atomic<View*> held{nullptr};
    /// Set by a closer that had to give way to this holder: the holder has to come back to it.
    std::atomic<bool> nudge{false};
    /// The thread has ended; once nothing is held the cell can be used by another.
    std::atomic<bool> ownerless{false};
    /// Number of the session that has the cell; 0: none.
    std::atomic<std::uint64_t> session{0};

    /// Lets go. True if the session has to be told.
    bool withdraw() noexcept;
};

// Cells are never freed, only used again, so that a late `withdraw` is harmless.
HoldCell* new_cell(std::uint64_t session);
void recycle_cell(HoldCell* cell) noexcept;

/// The calling thread's cell for a session, or null if it has none yet. `known_cell` below is the
/// quick look, which may miss.
HoldCell* find_cell(std::uint64_t session) noexcept;
/// Remembers a cell for the calling thread, until it ends. Only for a thread that `can_hold`.
void remember_cell(std::uint64_t session, HoldCell* cell);

/// Whether the calling thread can have cells: the kernel offers the heavy barrier, there is memory,
/// and the thread is not about to end.
bool can_hold() noexcept;
void heavy_barrier() noexcept;

// ThreadSanitizer knows neither membarrier nor fences: there both sides use sequentially consistent
// operations, whose single total order gives the same guarantee.
inline void light_barrier() noexcept {
#ifndef STRATA_TSAN
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler only
#endif
}

/// A store that the other side's look must not miss, and that look.
template <class T>
void announce_store(std::atomic<T>& word, T value) noexcept {
#ifdef STRATA_TSAN
    word.exchange(value, std::memory_order_seq_cst);
#else
    word.store(value, std::memory_order_release);
#endif
}
template <class T>
T look(const std::atomic<T>& word) noexcept {
#ifdef STRATA_TSAN
    return word.load(std::memory_order_seq_cst);
#else
    return word.load(std::memory_order_acquire);
#endif
}

inline bool HoldCell::withdraw() noexcept {
    // Release: reads through the view end before; partner: the closer's look at `held`.
    announce_store(held, static_cast<View*>(nullptr));
    light_barrier();
    return look(nudge);
}

// The last few cells that this thread used; no constructor, so no guard on the way.
struct CellCache {
    struct Entry {
        std::uint64_t session = 0;
        HoldCell* cell = nullptr;
    };
    static constexpr std::uint64_t entries = 4;
    Entry entry[entries];
};
extern thread_local constinit CellCache cell_cache;

inline HoldCell* known_cell(std::uint64_t session) noexcept {
    const CellCache::Entry& entry = cell_cache.entry[session % CellCache::entries];
    return entry.session == session ? entry.cell : nullptr;
}

}  // namespace strata::consumer_impl
