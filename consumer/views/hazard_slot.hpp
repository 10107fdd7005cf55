// SPDX-License-Identifier: Apache-2.0
// A thread's own note "I hold this view" (a hazard slot), so that taking and dropping a snapshot
// needs no atomic read-modify-write. Closing a view pays for it: it makes all threads of the
// process pass a memory barrier (membarrier(2)) before it reads their notes. The scheme is that of
// hazard pointers (Michael, "Hazard Pointers", IEEE TPDS 2004) with an asymmetric fence.
//
// The two sides, and why one of them sees the other:
//   taker:  held = view;          light_barrier();  load the view's marks
//   closer: flag the view closed; heavy barrier;    load `held`
// The heavy barrier puts a full barrier between the two steps of every taker that is under way.
// Equally with `held = null` / the notice on the dropper's side.
//
// Where the kernel offers no such barrier, or ceases to, views and slots are marked as fenced: a
// thread that sees that mark passes a full fence of its own and loads again, and the closer's
// barrier is a fence as well (claim C23).
#pragma once

#include <atomic>
#include <cstdint>

#include "consumer/lookup/cache_aligned.hpp"
#include "ipc/sanitizer.hpp"

namespace strata::consumer_impl {

struct View;

struct alignas(64) HazardSlot : CacheAligned {
    static constexpr std::uint64_t ended = 1;  // of `owner`
    // Of `notice`.
    static constexpr std::uint8_t nudged = 1;
    static constexpr std::uint8_t fenced = 2;

    std::atomic<View*> held{nullptr};
    /// What a dropper has to know. nudged: a closer had to give way to this holder, which must then
    /// call its session. fenced: the dropper must pass a fence before it loads this. The view
    /// pool's mutex.
    std::atomic<std::uint8_t> notice{0};
    /// Whose it is, in one word so that no change of it takes two loads (claim C21):
    ///   0                     nobody's: in the pool
    ///   session << 1          a living thread's, in the session with that number
    ///   session << 1 | ended  its thread has ended; the session recycles it once nothing is held
    std::atomic<std::uint64_t> owner{0};
    HazardSlot* next_free = nullptr;  // in the pool; guarded by ProcessLock::hazard_slots

    static std::uint64_t session_of(std::uint64_t owner) noexcept { return owner >> 1; }
    /// Its thread has ended, and nothing is held in it any more.
    bool is_abandoned() const noexcept {
        // Acquire; partners: the releases in end_thread and in `withdraw`.
        return (owner.load(std::memory_order_acquire) & ended) != 0 &&
               held.load(std::memory_order_acquire) == nullptr;
    }
    /// Releases the hold. True if the session has to be told.
    bool withdraw() noexcept;

private:
    bool was_nudged() noexcept;
};

/// A slot for the calling thread in a session that it has none in yet, with that notice; the thread
/// remembers it until it ends. Only for a thread that `can_hold`. Throws std::bad_alloc.
HazardSlot* take_slot(std::uint64_t session, std::uint8_t notice);
/// The session is done with it: nobody holds anything in it. Slots are never freed, only used
/// again, so that a late `withdraw` is harmless.
void recycle_slot(HazardSlot* slot) noexcept;

/// The calling thread's slot in a session, or null if it has none yet. `known_slot` below is the
/// quick search, which may miss.
HazardSlot* find_slot(std::uint64_t session) noexcept;

/// Whether the calling thread can have slots: there is memory, and it is not about to end.
bool can_hold() noexcept;

/// Whether this process may use the heavy barrier, as far as is known; asks for the right to if it
/// has not yet. `forget_barriers`: in a forked child, a process of its own.
bool have_barriers() noexcept;
void forget_barriers() noexcept;
/// Puts a full barrier between any two steps of all threads. False once the system has refused, and
/// from then on always.
bool heavy_barrier() noexcept;

// ThreadSanitizer knows neither membarrier nor fences: there both sides use sequentially consistent
// operations, whose single total order gives the same guarantee.
inline void light_barrier() noexcept {
#ifndef STRATA_TSAN
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler only
#endif
}

/// The same for a taker that found a mark asking for it, and for the closer in that case.
inline void full_fence() noexcept {
#ifndef STRATA_TSAN
    std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

/// A store that the other side's load must not miss, and that load.
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

inline bool HazardSlot::withdraw() noexcept {
    // Release: reads through the view end before; partner: the closer's load of `held`.
    announce_store(held, static_cast<View*>(nullptr));
    light_barrier();
    return look(notice) != 0 && was_nudged();
}

// The last few slots that this thread used; no constructor, so no guard on the way.
struct SlotCache {
    struct Entry {
        std::uint64_t session = 0;
        HazardSlot* slot = nullptr;
    };
    static constexpr std::uint64_t entries = 4;
    Entry entry[entries];
};
extern thread_local constinit SlotCache slot_cache;

inline HazardSlot* known_slot(std::uint64_t session) noexcept {
    const SlotCache::Entry& entry = slot_cache.entry[session % SlotCache::entries];
    return entry.session == session ? entry.slot : nullptr;
}

}  // namespace strata::consumer_impl
