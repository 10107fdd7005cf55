// SPDX-License-Identifier: Apache-2.0
#include "consumer/views/slot_set.hpp"

#include <new>

namespace strata::consumer_impl {

SlotSet::~SlotSet() {
    for (HazardSlot* const slot : slots_) {
        recycle_slot(slot);
    }
}

HazardSlot* SlotSet::of_this_thread() noexcept {
    if (!can_hold()) {
        return nullptr;
    }
    if (HazardSlot* const known = find_slot(session_)) {
        return known;
    }
    try {
        slots_.reserve(slots_.size() + 1);
        HazardSlot* const slot = take_slot(session_, own_notice());
        slots_.push_back(slot);  // room was made above
        return slot;
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

bool SlotSet::any_holds(const View* view) const noexcept {
    return std::any_of(slots_.begin(), slots_.end(),
                       [&](const HazardSlot* slot) { return look(slot->held) == view; });
}

void SlotSet::fence() noexcept {
    fenced_ = true;
    for (HazardSlot* const slot : slots_) {
        slot->notice.fetch_or(HazardSlot::fenced, std::memory_order_seq_cst);
    }
}

void SlotSet::clear_notices() noexcept {
    for (HazardSlot* const slot : slots_) {
        slot->notice.store(own_notice(), std::memory_order_relaxed);
    }
}

void SlotSet::recycle_abandoned() noexcept {
    std::erase_if(slots_, [](HazardSlot* slot) {
        const bool abandoned = slot->is_abandoned();
        if (abandoned) {
            recycle_slot(slot);
        }
        return abandoned;
    });
}

}  // namespace strata::consumer_impl
