// SPDX-License-Identifier: Apache-2.0
#include "consumer/views/retired_views.hpp"

#include <chrono>
#include <thread>

#include "ipc/crash_point.hpp"

namespace strata::consumer_impl {

namespace {

// A store leaves its processor within microseconds; this is waited once in a session's life, if the
// kernel refuses the barrier that it had granted.
constexpr std::chrono::milliseconds time_for_stores_to_drain{10};

}  // namespace

HazardSlot* RetiredViews::slot_of_this_thread() noexcept {
    if (slots_.empty() && !slots_.fenced() && !have_barriers()) {
        mark_fenced();  // nobody can be under way: there was no slot
    }
    return slots_.of_this_thread();
}

void RetiredViews::retire(View* view) noexcept {
    if ((view->refs.load(std::memory_order_relaxed) & View::flags) == 0) {
        view->refs.fetch_or(View::retired, std::memory_order_acq_rel);
        views_.push_back(view);
    }
}

// To be asked after the slots were checked: a copy of the snapshot in a slot is counted before that
// one goes. Acquire; partner: the release in HazardSlot::withdraw, which comes after the count.
bool RetiredViews::is_counted(const View* view) noexcept {
    return (view->refs.load(std::memory_order_acquire) & ~View::marks) != 0;
}

// From here on takers and droppers pass a fence between their two steps.
void RetiredViews::mark_fenced() noexcept {
    // No other view can be taken through a slot; one that is closed gets the mark when it is
    // opened.
    View* const current = current_.load(std::memory_order_relaxed);
    if ((current->refs.load(std::memory_order_relaxed) & View::flags) == 0) {
        current->refs.fetch_or(View::fenced, std::memory_order_seq_cst);
    }
    slots_.fence();
}

// The closer's side of each pair: between the flags that it has set and its loads of the slots.
void RetiredViews::barrier() noexcept {
    if (!slots_.fenced() && !heavy_barrier()) {
        mark_fenced();
        // A taker that did not see the marks has made its second check by now, and the store of its
        // first step drains from its processor soon, whatever runs there: claim C23.
        std::this_thread::sleep_for(time_for_stores_to_drain);
    }
    if (slots_.fenced()) {
        full_fence();  // partners: ViewPool::is_open_after_fence, HazardSlot::was_nudged
    }
}

bool RetiredViews::any_held(Generation first, Generation last) noexcept {
    const auto concerned = [&](const View* view) {
        return first <= view->generation && view->generation <= last;
    };
    const View* const current = current_.load(std::memory_order_relaxed);
    if (concerned(current) && (current->refs.load(std::memory_order_relaxed) & View::flags) == 0) {
        return true;  // it may be taken at any time
    }
    if (!slots_.empty()) {
        barrier();  // as in close_unheld; takers from now on see that it is retired
    }
    return std::any_of(views_.begin(), views_.end(), [&](const View* view) {
        return concerned(view) && (slots_.any_holds(view) || is_counted(view));
    });
}

// To the front: the views that nobody counts, flagged closed. How many.
std::size_t RetiredViews::flag_uncounted() noexcept {
    slots_.clear_notices();  // set again by nudge_holders if need be
    const auto flagged = std::partition(views_.begin(), views_.end(), [](View* view) {
        std::uint32_t expected =
            view->refs.load(std::memory_order_relaxed) & (View::retired | View::fenced);
        // Fails while it is counted: the last holder sees the flag `retired` and settles the
        // session.
        return view->refs.compare_exchange_strong(expected, expected | View::closed,
                                                  std::memory_order_seq_cst);
    });
    return static_cast<std::size_t>(flagged - views_.begin());
}

// Tells those who hold one of the flagged views in a slot to come back. True: there was one.
bool RetiredViews::nudge_holders(std::size_t flagged) noexcept {
    STRATA_CRASH_POINT("view.flagged");
    if (!slots_.empty()) {
        barrier();
    }
    STRATA_CRASH_POINT("view.barrier-passed");
    const auto end = views_.begin() + static_cast<std::ptrdiff_t>(flagged);
    const bool nudged = slots_.nudge_holders(
        [&](const View* held) { return std::find(views_.begin(), end, held) != end; });
    if (nudged) {
        STRATA_CRASH_POINT("view.nudged");
        // Droppers from now on see the nudge; the hold of an earlier one is found released.
        barrier();
    }
    return nudged;
}

// Of a flagged view: true if it stays closed because nobody holds it.
bool RetiredViews::finish_or_reopen(View* view, bool nudged) noexcept {
    if ((nudged && slots_.any_holds(view)) || is_counted(view)) {
        view->refs.fetch_sub(View::closed, std::memory_order_release);
        return false;
    }
    view->refs.fetch_and(~(View::retired | View::fenced), std::memory_order_relaxed);
    return true;
}

void RetiredViews::child_after_fork() noexcept {
    forget_barriers();
    if (!slots_.fenced() && !have_barriers()) {
        mark_fenced();  // no other thread is under way: there is none
    }
}

}  // namespace strata::consumer_impl
