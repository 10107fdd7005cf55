// SPDX-License-Identifier: Apache-2.0
// The views of one attachment: opened for a generation under a pin, shared by its snapshots, closed
// when nobody holds them (retired_views.hpp). Taking and dropping the newest costs no lock and no
// shared write while nothing changes (hazard_slot.hpp). See docs/reclamation.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "consumer/attachment/attachment.hpp"
#include "consumer/attachment/pin_set.hpp"
#include "consumer/attachment/watcher.hpp"
#include "consumer/lookup/version_carrier.hpp"
#include "consumer/views/hazard_slot.hpp"
#include "consumer/views/mapped_dimensions.hpp"
#include "consumer/views/retired_views.hpp"
#include "consumer/views/view.hpp"
#include "consumer/views/view_stock.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/mutex.hpp"

namespace strata::consumer_impl {

class ViewPool final : private OpenGenerations {
public:
    /// Both outlive it. `number`: the session's, by which threads know their slots.
    ViewPool(Session& session, const Attachment& attachment, std::uint64_t number);

    /// The newest generation.
    Held take() {
        HazardSlot* const slot = known_slot(number_);
        if (slot != nullptr && slot->held.load(std::memory_order_relaxed) == nullptr) [[likely]] {
            View* const view = current_.load(std::memory_order_acquire);
            announce_store(slot->held, view);
            light_barrier();
            // Acquire; partner: the release with which open_view published the view's fields. From
            // here on any closer finds the view held.
            if ((look(view->refs) & View::marks) == 0 && is_newest(*view)) [[likely]] {
                return {view, slot};
            }
            if (is_open_after_fence(*view)) {
                return {view, slot};
            }
            withdraw(slot);
        }
        return take_slowly();
    }
    /// Throws generation_not_retained, and what opening a view throws.
    Held take_retained(Generation generation);
    /// What was the newest at a time. Throws as above.
    Held take_at(std::int64_t time_ns);

    /// What a bookmark names. Throws bookmark_not_found, and as above.
    Held take_bookmark(std::string_view name);

    /// Gives a hold back. The session may be gone when this returns.
    static void drop(const Held& held) noexcept {
        if (held.slot != nullptr) {
            withdraw(held.slot);
        } else {
            drop_counted(held.view);
        }
    }

    /// The version of a dimension that a view has, mapping its file if need be; null if the
    /// generation has none. Throws Error, std::bad_alloc.
    CachedDimension* touch(View& view, Dimension dimension) STRATA_EXCLUDES(mutex_);
    /// A version was walked often enough to be worth a list.
    void open_list(View& view, CachedDimension& version) noexcept STRATA_EXCLUDES(mutex_);
    /// A version that the view has comes to its front table, if that takes any more.
    void add_to_front(View& view, CachedDimension& version) noexcept STRATA_EXCLUDES(mutex_);
    ConsumerStatistics statistics() noexcept STRATA_EXCLUDES(mutex_);

    /// Tells the producer that somebody here waits; false if the kernel refuses.
    bool announce_waiter() noexcept STRATA_EXCLUDES(mutex_);

    /// No newest view is kept for the next taker any more, and no thread for its pin.
    void release() noexcept STRATA_EXCLUDES(mutex_);
    /// Closes what can be closed. True: it was released, and no view is open.
    bool settle() noexcept STRATA_EXCLUDES(mutex_);

    // Around fork(2): the mutex is held from the first to one of the others.
    void prepare_fork() noexcept STRATA_NO_THREAD_ANALYSIS;
    void parent_after_fork() noexcept STRATA_NO_THREAD_ANALYSIS;
    void child_after_fork() noexcept STRATA_NO_THREAD_ANALYSIS;

private:
    static void withdraw(HazardSlot* slot) noexcept;
    static void drop_counted(View* view) noexcept;

    bool is_newest(const View& view) const noexcept {
        return view.generation == ipc::load_acquire(cells_.generation);
    }
    bool is_open_after_fence(const View& view) const noexcept;
    Held take_slowly() STRATA_EXCLUDES(mutex_);
    View* newest_view() STRATA_REQUIRES(mutex_);
    /// Loads the root that `offset_of()` names, pinned; count 1 plus the mark `kind`. One that is
    /// opened as retired can be added to `retired_`.
    template <class OffsetOf>
    View* open_view(OffsetOf offset_of, std::uint32_t kind) STRATA_REQUIRES(mutex_);

    // OpenGenerations: asked by the look-up cache, so under the mutex, which Clang cannot know.
    bool any_open(Generation first,
                  Generation last) const noexcept override STRATA_NO_THREAD_ANALYSIS;
    bool any_held(Generation first, Generation last) noexcept override STRATA_NO_THREAD_ANALYSIS;
    std::uint64_t opened() const noexcept override STRATA_NO_THREAD_ANALYSIS;
    std::uint64_t oldest_open() const noexcept override STRATA_NO_THREAD_ANALYSIS;

    void close_unheld() noexcept STRATA_REQUIRES(mutex_);
    void close_idle() noexcept STRATA_REQUIRES(mutex_);
    void finish_close(View* view) noexcept STRATA_REQUIRES(mutex_);
    void release_idle_pin() noexcept STRATA_EXCLUDES(mutex_);

    const std::uint64_t number_;
    const Attachment& attachment_;
    const ipc::ControlCells& cells_;

    ipc::Mutex mutex_;  // after the sessions' registry
    MappedDimensions dimensions_ STRATA_GUARDED_BY(mutex_);
    std::atomic<View*> current_;
    VersionCarrier carrier_ STRATA_GUARDED_BY(mutex_);
    ViewStock stock_ STRATA_GUARDED_BY(mutex_);
    RetiredViews retired_ STRATA_GUARDED_BY(mutex_);
    bool released_ STRATA_GUARDED_BY(mutex_) = false;
    bool warmed_up_ STRATA_GUARDED_BY(mutex_) = false;  // a first snapshot was taken
    PinSet pins_ STRATA_GUARDED_BY(mutex_);
    /// Releases an idle pin when the producer moves the epoch on. Started under the mutex, stopped
    /// without it.
    Watcher pin_keeper_;
};

}  // namespace strata::consumer_impl
