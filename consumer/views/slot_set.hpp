// SPDX-License-Identifier: Apache-2.0
// The hazard slots of one session's threads, as the closer of views sees them: what they hold, what
// they are told, and the barrier between telling them and loading what they hold. Guarded by the
// mutex under which views are opened and closed. See hazard_slot.hpp for the two sides.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "consumer/views/hazard_slot.hpp"

namespace strata::consumer_impl {

class SlotSet {
public:
    explicit SlotSet(std::uint64_t session) noexcept : session_(session) {}
    SlotSet(const SlotSet&) = delete;
    SlotSet& operator=(const SlotSet&) = delete;
    /// Nobody holds anything any more.
    ~SlotSet();

    bool empty() const noexcept { return slots_.empty(); }
    /// The calling thread's; null if it can have none: its holds are counted instead.
    HazardSlot* of_this_thread() noexcept;
    bool any_holds(const View* view) const noexcept;

    /// Whether takers and droppers have to pass fences, since there is no heavy barrier.
    bool fenced() const noexcept { return fenced_; }
    /// From here on they do.
    void fence() noexcept;

    /// Resets the notices to holders, which have been acted upon.
    void clear_notices() noexcept;
    /// Tells the holder of each view that `concerns` names to call its session when it drops it.
    /// True: there was one.
    template <class Concerns>
    bool nudge_holders(Concerns concerns) noexcept {
        bool nudged = false;
        for (HazardSlot* const slot : slots_) {
            if (concerns(look(slot->held))) {
                announce_store<std::uint8_t>(slot->notice, own_notice() | HazardSlot::nudged);
                nudged = true;
            }
        }
        return nudged;
    }
    /// Gives back those of threads that have ended.
    void recycle_abandoned() noexcept;

private:
    /// What a slot says that nobody is nudged in.
    std::uint8_t own_notice() const noexcept { return fenced_ ? HazardSlot::fenced : 0; }

    const std::uint64_t session_;
    std::vector<HazardSlot*> slots_;
    bool fenced_ = false;  // claim C23
};

}  // namespace strata::consumer_impl
