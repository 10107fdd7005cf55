// SPDX-License-Identifier: Apache-2.0
#include "consumer/views/hazard_slot.hpp"

#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

#include "ipc/crash_point.hpp"
#include "ipc/fork_hooks.hpp"
#include "ipc/os.hpp"

namespace strata::consumer_impl {

thread_local constinit SlotCache slot_cache{};

namespace {

// The pool. Guarded by ProcessLock::hazard_slots.
constinit HazardSlot* first_free = nullptr;

enum class Barriers : unsigned char { unknown, granted, refused };
constinit std::atomic<Barriers> barriers{Barriers::unknown};

// Set when the thread's slots are gone; other objects of the thread may still take snapshots.
thread_local constinit bool thread_ended = false;

/// What a thread has to give up when it ends: its slots, each with its session's number.
using ThreadSlots = std::vector<std::pair<std::uint64_t, HazardSlot*>>;

thread_local constinit ThreadSlots* thread_slots = nullptr;

void end_thread(void* ended) noexcept {
    slot_cache = {};
    thread_slots = nullptr;
    thread_ended = true;
    const std::unique_ptr<ThreadSlots> slots(static_cast<ThreadSlots*>(ended));
    for (const auto& [session, slot] : *slots) {
        // In one step: the session may end at any moment, and then the slot may be another
        // thread's, in another session. Numbers of sessions do not come back. Release; partner: the
        // acquire in is_abandoned.
        std::uint64_t own = session << 1;
        STRATA_CRASH_POINT("slot.thread-ends");
        slot->owner.compare_exchange_strong(own, own | HazardSlot::ended, std::memory_order_release,
                                            std::memory_order_relaxed);
    }
}

// Null if there is no memory, or the thread is about to end.
ThreadSlots* slots_of_thread() noexcept {
    if (thread_slots == nullptr && !thread_ended) {
        try {
            auto made = std::make_unique<ThreadSlots>();
            if (ipc::os::at_thread_end(&end_thread, made.get())) {
                thread_slots = made.release();
            }
        } catch (const std::bad_alloc&) {
            return nullptr;
        }
    }
    return thread_slots;
}

HazardSlot* free_slot() {
    {
        const std::lock_guard lock(ipc::process_mutex(ipc::ProcessLock::hazard_slots));
        if (first_free != nullptr) {
            return std::exchange(first_free, first_free->next_free);
        }
    }
    return new HazardSlot;
}

}  // namespace

bool HazardSlot::was_nudged() noexcept {
    // Partner: the closer's barrier or fence between the nudge and its second load of `held`.
    full_fence();
    return (look(notice) & nudged) != 0;
}

HazardSlot* take_slot(std::uint64_t session, std::uint8_t notice) {
    // Sessions come and go: forget the slots of those that went.
    std::erase_if(*thread_slots, [](const auto& entry) {
        const std::uint64_t owner = entry.second->owner.load(std::memory_order_relaxed);
        return HazardSlot::session_of(owner) != entry.first;
    });
    thread_slots->reserve(thread_slots->size() + 1);  // nothing after the next line may throw
    HazardSlot* const slot = free_slot();
    slot->notice.store(notice, std::memory_order_relaxed);
    slot->owner.store(session << 1, std::memory_order_relaxed);  // to others through the session
    thread_slots->emplace_back(session, slot);
    slot_cache.entry[session % SlotCache::entries] = {session, slot};
    return slot;
}

void recycle_slot(HazardSlot* slot) noexcept {
    const std::lock_guard lock(ipc::process_mutex(ipc::ProcessLock::hazard_slots));
    slot->owner.store(0, std::memory_order_relaxed);
    slot->next_free = std::exchange(first_free, slot);
}

HazardSlot* find_slot(std::uint64_t session) noexcept {
    if (thread_slots == nullptr) {
        return nullptr;
    }
    for (const auto& [number, slot] : *thread_slots) {
        if (number == session) {
            slot_cache.entry[session % SlotCache::entries] = {session, slot};
            return slot;
        }
    }
    return nullptr;
}

bool can_hold() noexcept { return slots_of_thread() != nullptr; }

bool have_barriers() noexcept {
    Barriers known = barriers.load(std::memory_order_relaxed);
    if (known == Barriers::unknown) {  // several threads may ask at once: the answer is the same
        known = ipc::os::register_barriers() ? Barriers::granted : Barriers::refused;
        barriers.store(known, std::memory_order_relaxed);
    }
    return known == Barriers::granted;
}

void forget_barriers() noexcept { barriers.store(Barriers::unknown, std::memory_order_relaxed); }

bool heavy_barrier() noexcept {
#ifndef STRATA_TSAN
    if (!ipc::os::barrier_all_threads()) {
        barriers.store(Barriers::refused, std::memory_order_relaxed);
        return false;
    }
#endif
    return true;
}

}  // namespace strata::consumer_impl
