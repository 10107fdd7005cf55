// SPDX-License-Identifier: Apache-2.0
// Views that are no longer the newest: each is closed when nobody holds it any more. This is the
// closer's side of the protocol of hazard_slot.hpp; the takers' side is ViewPool::take and `drop`.
// It owns the slots of the session's threads, and is guarded by the mutex under which views are
// opened and closed.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "consumer/views/hazard_slot.hpp"
#include "consumer/views/slot_set.hpp"
#include "consumer/views/view.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {

class RetiredViews {
public:
    /// `session`: its number. `current`: the newest view, which outlives this object and may be
    /// taken by any thread unless its marks say no.
    RetiredViews(std::uint64_t session, const std::atomic<View*>& current) noexcept
        : current_(current), slots_(session) {}

    /// The calling thread's slot; null: it has to count its hold in the view instead.
    HazardSlot* slot_of_this_thread() noexcept;
    /// The marks that a view gets when it is opened: those of its kind and `fenced` if need be.
    std::uint32_t marks_when_opened(std::uint32_t kind) const noexcept {
        return kind | (slots_.fenced() ? View::fenced : 0);
    }

    std::size_t size() const noexcept { return views_.size(); }
    /// So that so many views fit without an allocation. Throws std::bad_alloc.
    void reserve(std::size_t views) { views_.reserve(views); }
    /// A view that was opened with the mark `retired`. Room was reserved.
    void add(View* view) noexcept { views_.push_back(view); }
    /// The view is no longer the newest: nobody takes it any more. Nothing if it is closed. Room
    /// was reserved.
    void retire(View* view) noexcept;

    /// Whether somebody holds a view of a generation in [first, last], or may take it again. May
    /// cost a barrier.
    bool any_held(Generation first, Generation last) noexcept;
    /// Calls close(view) for each that nobody holds and takes it off the list; the last holder of
    /// any other calls its session. May cost barriers.
    template <class Close>
    void close_unheld(Close close) noexcept {
        const std::size_t flagged = flag_uncounted();
        if (flagged == 0) {
            return;
        }
        const bool nudged = nudge_holders(flagged);
        const auto end = views_.begin() + static_cast<std::ptrdiff_t>(flagged);
        const auto kept = std::remove_if(views_.begin(), end, [&](View* view) {
            const bool closed = finish_or_reopen(view, nudged);
            if (closed) {
                close(view);
            }
            return closed;
        });
        views_.erase(kept, end);
    }
    /// Takes the slots of threads that have ended back.
    void recycle_slots() noexcept { slots_.recycle_abandoned(); }

    /// In a forked child, whose only thread this is: what was known of barriers is the parent's.
    void child_after_fork() noexcept;

private:
    static bool is_counted(const View* view) noexcept;

    std::size_t flag_uncounted() noexcept;
    bool nudge_holders(std::size_t flagged) noexcept;
    bool finish_or_reopen(View* view, bool nudged) noexcept;
    void barrier() noexcept;
    void mark_fenced() noexcept;

    const std::atomic<View*>& current_;
    SlotSet slots_;
    std::vector<View*> views_;
};

}  // namespace strata::consumer_impl
