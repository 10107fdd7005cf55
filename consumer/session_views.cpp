// SPDX-License-Identifier: Apache-2.0
// The views of a session: opened for a generation, shared by its snapshots, closed when nobody
// holds them; and the regions that they have mapped.
#include <algorithm>
#include <bit>
#include <utility>

#include "consumer/session.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"

namespace strata::consumer_impl {

namespace {

// Views that wait to be closed: more of them, and they are looked at even if no pin hangs on them.
constexpr std::size_t many_retired = 16;

}  // namespace

// The newest generation, counted. Mutex held.
View* Session::newest_view() {
    View* const current = current_.load(std::memory_order_relaxed);
    // Only this mutex's holders retire and close the current view, so its flags cannot change here.
    const bool open = (current->refs.load(std::memory_order_relaxed) & View::flags) == 0;
    const std::uint64_t& root = control_.cells().root;
    // While the view is open its root block is pinned and not reused: same offset, same generation.
    if (open && ipc::load_acquire(root) == current->root_offset) {
        current->refs.fetch_add(1, std::memory_order_relaxed);
        return current;
    }
    // A process that only ever takes one snapshot needs no cached pin and no thread for it.
    const bool keep =
        options_.keep_idle_pin && warmed_up_ &&
        (pin_keeper_.running() ||
         pin_keeper_.start(control_.cells().epoch, std::nullopt, [this] { release_idle_pin(); }));
    const std::uint64_t old_epoch = current->epoch;
    View* const view = open_view([&] { return ipc::load_acquire(root); }, keep ? 0 : View::retired);
    warmed_up_ = true;
    if (keep) {
        current_.store(view, std::memory_order_release);
        if (current != view) {  // a closed current view may just have been used again
            retire(current);
        }
        // Views of one epoch share a pin: closing them early would gain nothing and cost a barrier.
        if (view->epoch != old_epoch || retired_views_.size() >= many_retired) {
            close_unheld(retired_views_);
        }
    } else {
        retired_views_.push_back(view);  // within the capacity that open_view made sure of
    }
    return view;
}

Held Session::take_retained(Generation generation) {
    {
        const Held newest = take();
        if (newest.view->generation == generation) {
            return newest;
        }
        drop(newest);
    }
    const std::lock_guard lock(mutex_);
    View* const view = open_view(
        [&] {
            const std::uint64_t offset =
                generation == 0 ? 0 : ipc::load_acquire(control_.history_slot(generation));
            if (offset == 0) {
                ipc::fail(Errc::generation_not_retained, operation_, control_.path(),
                          "generation " + std::to_string(generation) + " is not kept",
                          "let the producer retain more (ProducerOptions::retain)");
            }
            return offset;
        },
        View::retired);
    retired_views_.push_back(view);
    if (view->generation == generation) {
        return {view, nullptr};
    }
    const Generation found = view->generation;
    view->refs.fetch_sub(1, std::memory_order_relaxed);
    close_unheld(retired_views_);
    ipc::fail(Errc::generation_not_retained, operation_, control_.path(),
              "generation " + std::to_string(generation) +
                  " is not kept (its place holds generation " + std::to_string(found) + ")",
              "let the producer retain more (ProducerOptions::retain)");
}

template <class OffsetOf>
View* Session::open_view(OffsetOf offset_of, std::uint32_t flags) {
    for (;;) {
        const std::uint64_t epoch = pins_.pin_current(operation_);
        try {
            // Partner of the loads inside: the producer's release store of the root (or of the
            // history slot); what the record and everything behind it says was written before that.
            const std::uint64_t offset = offset_of();
            STRATA_CRASH_POINT("view.root-loaded");
            const ipc::RootRecord root = control_.root_at(offset, operation_);
            // The pin is as old as the root only if the epoch stood still: a younger root may reach
            // blocks that were born after the pinned epoch and that the pin does not protect.
            if (ipc::load_acquire(control_.cells().epoch) != epoch) {
                pins_.unpin(epoch);
                continue;
            }
            STRATA_CRASH_POINT("view.epoch-confirmed");
            if (root.layout_generation != regions_layout_) {
                drop_unused_regions(root.layout_generation);
            }
            View* const view = free_view(root.dimensions);
            view->root = root;
            view->generation = root.generation;
            view->root_offset = offset;
            view->epoch = epoch;
            view->directory = control_.directory_of(root);
            ++open_views_;
            // From closed (plus the count of threads that are just backing out) to open with one
            // user. Release; partner: the acquire in `take`.
            view->refs.fetch_add(1 + flags - View::closed, std::memory_order_release);
            return view;
        } catch (const Error&) {
            pins_.unpin(epoch);
            // With a pin that is too old the record may have been gone before it was read.
            if (ipc::load_acquire(control_.cells().epoch) == epoch) {
                throw;
            }
        } catch (...) {
            pins_.unpin(epoch);
            throw;
        }
    }
}

View* Session::free_view(std::uint32_t dimensions) {
    // So that giving it back, or setting it aside, cannot throw.
    free_views_.reserve(views_.size() + 1);
    retired_views_.reserve(views_.size() + 1);
    if (free_views_.empty()) {
        views_.push_back(std::make_unique<View>(*this));
        free_views_.push_back(views_.back().get());
    }
    View* const view = free_views_.back();
    // A forged root may claim any number; no process can map more regions than there are slots.
    constexpr std::uint32_t most = 0x1'0000;
    const std::uint32_t places = std::bit_ceil(std::clamp<std::uint32_t>(dimensions, 8, most) * 2);
    if (view->table == nullptr || places > view->mask + 1) {
        view->storage = std::make_unique<TouchedDimension[]>(places);
        view->table = view->storage.get();
        view->mask = places - 1;
        view->stamp = 0;
    }
    if (++view->stamp == 0) {  // once in 2^32 uses: old stamps would come to life again
        for (std::uint32_t i = 0; i <= view->mask; ++i) {
            view->table[i].tag.store(0, std::memory_order_relaxed);
        }
        view->stamp = 1;
    }
    free_views_.pop_back();
    return view;
}

// The view is not the current one any more. Mutex held.
void Session::retire(View* view) noexcept {
    if ((view->refs.load(std::memory_order_relaxed) & View::flags) == 0) {
        view->refs.fetch_or(View::retired, std::memory_order_acq_rel);
        retired_views_.push_back(view);
    }
}

bool Session::is_held(const View* view) const noexcept {
    return std::any_of(cells_.begin(), cells_.end(),
                       [&](const HoldCell* cell) { return look(cell->held) == view; });
}

// To be asked after the cells were looked at: a copy of the snapshot in a cell is counted before
// that one goes. Acquire; partner: the release in HoldCell::withdraw, which comes after the count.
bool Session::is_counted(const View* view) noexcept {
    return (view->refs.load(std::memory_order_acquire) & ~View::flags) != 0;
}

// Whether nobody holds a view that is retired, and so nobody ever will again. Mutex held.
bool Session::is_abandoned(const View* view) const noexcept {
    if (!cells_.empty()) {
        heavy_barrier();  // as in close_unheld; who takes from now on sees that it is retired
    }
    return !is_held(view) && !is_counted(view);
}

// Closes those of the views that nobody holds, and takes them out of the list; sees to it that the
// last holder of any other comes back. Mutex held.
void Session::close_unheld(std::vector<View*>& views) noexcept {
    for (HoldCell* const cell : cells_) {
        cell->nudge.store(false, std::memory_order_relaxed);  // heard; set again below if need be
    }
    // To the front: the views that nobody counts, flagged closed.
    const auto flagged = std::partition(views.begin(), views.end(), [](View* view) {
        std::uint32_t expected = view->refs.load(std::memory_order_relaxed) & View::retired;
        // Fails while it is counted: the last one to go sees the flag `retired` and settles.
        return view->refs.compare_exchange_strong(expected, expected | View::closed,
                                                  std::memory_order_seq_cst);
    });
    if (flagged == views.begin()) {
        return;
    }
    STRATA_CRASH_POINT("view.flagged");
    if (!cells_.empty()) {
        heavy_barrier();
    }
    bool nudged = false;
    for (HoldCell* const cell : cells_) {
        if (std::find(views.begin(), flagged, look(cell->held)) != flagged) {
            announce_store(cell->nudge, true);
            nudged = true;
        }
    }
    if (nudged) {
        // Who drops from now on sees the nudge; who did before it is found gone.
        heavy_barrier();
    }
    views.erase(std::remove_if(views.begin(), flagged,
                               [&](View* view) {
                                   if ((nudged && is_held(view)) || is_counted(view)) {
                                       view->refs.fetch_sub(View::closed,
                                                            std::memory_order_release);
                                       return false;
                                   }
                                   view->refs.fetch_and(~View::retired, std::memory_order_relaxed);
                                   finish_close(view);
                                   return true;
                               }),
                flagged);
}

// What remains to do when `refs` says closed.
void Session::finish_close(View* view) noexcept {
    STRATA_CRASH_POINT("view.before-close");
    pins_.unpin(view->epoch);
    STRATA_CRASH_POINT("view.unpinned");
    view->regions.clear();
    close_place_lists(*view);
    free_views_.push_back(view);
    --open_views_;
}

// Closes what nobody holds: retired views, and the current one if the producer has moved on, for
// its pin is in the way then.
void Session::close_idle() noexcept {
    View* const current = current_.load(std::memory_order_relaxed);
    const bool open = (current->refs.load(std::memory_order_relaxed) & View::flags) == 0;
    if (open && current->epoch != ipc::load_acquire(control_.cells().epoch)) {
        retire(current);
    }
    close_unheld(retired_views_);
    // Cells of threads that have ended.
    std::erase_if(cells_, [](HoldCell* cell) {
        if (!cell->ownerless.load(std::memory_order_acquire) ||
            cell->held.load(std::memory_order_acquire) != nullptr) {
            return false;
        }
        recycle_cell(cell);
        return true;
    });
}

// Runs in the pin keeper's thread each time the producer asks for old pins.
void Session::release_idle_pin() noexcept {
    const std::lock_guard lock(mutex_);
    close_idle();
}

// Mappings of regions that were removed would keep their memory from the system. Those still in use
// are mapped again when they are touched.
void Session::drop_unused_regions(Generation layout) noexcept {
    std::erase_if(regions_, [](const auto& entry) { return entry.second.use_count() == 1; });
    regions_layout_ = layout;
}

TouchedDimension* Session::touch(View& view, Dimension dimension) {
    const auto record = control_.dimension_at(view.directory, dimension, operation_);
    if (!record) {
        return nullptr;
    }
    const std::lock_guard lock(mutex_);
    if (TouchedDimension* const done = view.touched(dimension)) {
        return done;
    }
    auto found = std::lower_bound(
        regions_.begin(), regions_.end(), record->serial,
        [](const auto& entry, std::uint64_t serial) { return entry.first < serial; });
    if (found == regions_.end() || found->first != record->serial) {
        found = regions_.emplace(found, record->serial,
                                 std::make_shared<ipc::RegionMapping>(store_, control_.identity(),
                                                                      *record, trust_, operation_));
    }
    STRATA_CRASH_POINT("view.region-mapped");
    const ipc::IndexView index = found->second->index_of(*record, operation_);
    if (view.regions.size() > view.mask / 2) {
        ipc::fail(Errc::corrupt, operation_, control_.path(),
                  "the root claims fewer dimensions than its directory has");
    }
    view.regions.push_back(found->second);
    TouchedDimension* const added = view.insert(dimension, index);
    expect_places(view, *added);
    return added;
}

TouchedDimension* Session::touch_quietly(View& view, Dimension dimension) noexcept {
    try {
        return touch(view, dimension);
    } catch (...) {
        return nullptr;
    }
}

}  // namespace strata::consumer_impl
