// SPDX-License-Identifier: Apache-2.0
#include "consumer/views/view_pool.hpp"

#include "consumer/attachment/session.hpp"
#include "consumer/views/retained_roots.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"

namespace strata::consumer_impl {

namespace {

// Retired views beyond which a scan is due even if it would release no pin.
constexpr std::size_t many_retired = 16;

}  // namespace

ViewPool::ViewPool(Session& session, const Attachment& attachment, std::uint64_t number)
    : number_(number),
      attachment_(attachment),
      cells_(attachment.control.cells()),
      dimensions_(attachment, *this),
      carrier_(dimensions_.cache().version_table()),
      stock_(session, dimensions_.cache()),
      retired_(number, current_),
      pins_(attachment.control, attachment.store) {
    // Closed: the first `take` opens one.
    stock_.prepare();
    current_.store(stock_.next(), std::memory_order_release);
}

void ViewPool::withdraw(HazardSlot* slot) noexcept {
    // Read first: afterwards the slot may be another's.
    const std::uint64_t owner = slot->owner.load(std::memory_order_relaxed);
    if (slot->withdraw()) [[unlikely]] {
        Session::settle(HazardSlot::session_of(owner));
    }
}

void ViewPool::drop_counted(View* view) noexcept {
    const std::uint64_t number = view->session->number();
    // Release: reads through the view end before; partner: the closer's exchange in try_close.
    const std::uint32_t before = view->refs.fetch_sub(1, std::memory_order_acq_rel);
    // From here on the view may be gone.
    if ((before & View::flags) != 0 && (before & ~View::marks) == 1) [[unlikely]] {
        Session::settle(number);
    }
}

// The second half of taking through a slot if the view has the mark `fenced`.
bool ViewPool::is_open_after_fence(const View& view) const noexcept {
    if ((view.refs.load(std::memory_order_relaxed) & View::marks) != View::fenced) {
        return false;
    }
    full_fence();  // partner: the closer's, in RetiredViews::barrier
    return (look(view.refs) & View::flags) == 0 && is_newest(view);
}

// What `take` could not do: a first snapshot in this thread, a second one at the same time, a newer
// generation.
Held ViewPool::take_slowly() {
    View* const view = current_.load(std::memory_order_acquire);
    if (known_slot(number_) != nullptr &&
        (view->refs.load(std::memory_order_relaxed) & View::flags) == 0) {
        // Acquire; partner: the release with which open_view published the view's fields.
        const std::uint32_t before = view->refs.fetch_add(1, std::memory_order_acquire);
        STRATA_CRASH_POINT("view.counted");
        if ((before & View::flags) == 0 && is_newest(*view)) {
            return {view, nullptr};
        }
        drop_counted(view);
    }
    const ipc::MutexLock lock(mutex_);
    HazardSlot* const slot = retired_.slot_of_this_thread();
    View* const newest = newest_view();
    if (slot != nullptr && slot->held.load(std::memory_order_relaxed) == nullptr &&
        (newest->refs.load(std::memory_order_relaxed) & View::flags) == 0) {
        // Under the mutex, so no closer is loading them: the hold moves from the count to the slot.
        announce_store(slot->held, newest);
        STRATA_CRASH_POINT("slot.held");
        newest->refs.fetch_sub(1, std::memory_order_release);
        return {newest, slot};
    }
    return {newest, nullptr};
}

// The newest generation, counted.
View* ViewPool::newest_view() {
    View* const current = current_.load(std::memory_order_relaxed);
    // Only this mutex's holders retire and close the current view, so its flags cannot change here.
    const bool open = (current->refs.load(std::memory_order_relaxed) & View::flags) == 0;
    const std::uint64_t& root = cells_.root;
    // While the view is open its root block is pinned and not reused: same offset, same generation.
    if (open && ipc::load_acquire(root) == current->root_offset) {
        current->refs.fetch_add(1, std::memory_order_relaxed);
        return current;
    }
    // A process that only ever takes one snapshot needs no cached pin and no thread for it.
    const bool keep =
        attachment_.options.keep_idle_pin && warmed_up_ &&
        (pin_keeper_.running() || pin_keeper_.start(cells_.epoch, ipc::load_acquire(cells_.epoch),
                                                    std::nullopt, [this] { release_idle_pin(); }));
    const std::uint64_t old_epoch = current->epoch;
    View* const view = open_view(
        [&](std::uint64_t) {
            return RetainedRoot{ipc::load_acquire(root), false};
        },
        keep ? 0 : View::retired);
    warmed_up_ = true;
    if (keep) {
        STRATA_CRASH_POINT("view.opened");
        carrier_.next(open ? current : nullptr, *view);
        current_.store(view, std::memory_order_release);
        STRATA_CRASH_POINT("view.current");
        if (current != view) {  // a closed current view may just have been used again
            retired_.retire(current);
        }
        // Views of one epoch share a pin: closing them early would gain nothing and cost a barrier.
        if (view->epoch != old_epoch || retired_.size() >= many_retired) {
            close_unheld();
        }
    } else {
        retired_.add(view);
    }
    return view;
}

Held ViewPool::take_retained(Generation generation) {
    {
        const Held newest = take();
        if (newest.view->generation == generation) {
            return newest;
        }
        drop(newest);
    }
    const ipc::MutexLock lock(mutex_);
    View* const view = open_view(
        [&](std::uint64_t epoch) {
            return retained_root(attachment_.control, generation, epoch, attachment_.operation);
        },
        View::retired);
    retired_.add(view);
    if (view->generation == generation) {
        return {view, nullptr};
    }
    const Generation found = view->generation;
    view->refs.fetch_sub(1, std::memory_order_relaxed);
    close_unheld();
    ipc::fail(Errc::generation_not_retained, attachment_.operation, attachment_.control.path(),
              "generation " + std::to_string(generation) +
                  " is not kept (its place holds generation " + std::to_string(found) + ")",
              "let the producer retain more (ProducerOptions::retain)");
}

Held ViewPool::take_at(std::int64_t time_ns) {
    {
        const Held newest = take();
        if (newest.view->root.published_at_ns <= time_ns) {
            return newest;
        }
        drop(newest);
    }
    const ipc::MutexLock lock(mutex_);
    View* const view = open_view(
        [&](std::uint64_t epoch) {
            return root_current_at(attachment_.control, time_ns, epoch, attachment_.operation);
        },
        View::retired);
    retired_.add(view);
    return {view, nullptr};
}

Held ViewPool::take_bookmark(std::string_view name) {
    const ipc::MutexLock lock(mutex_);
    Generation wanted = 0;
    View* const view = open_view(
        [&](std::uint64_t epoch) {
            const BookmarkedRoot found = bookmarked_root(attachment_, name, epoch);
            wanted = found.generation;
            return found.root;
        },
        View::retired);
    retired_.add(view);
    if (view->generation == wanted) {
        return {view, nullptr};
    }
    const Generation found = view->generation;
    view->refs.fetch_sub(1, std::memory_order_relaxed);
    close_unheld();
    ipc::fail(Errc::corrupt, attachment_.operation, attachment_.control.path(),
              "the root record of bookmark " + ipc::quoted(name) + " is of generation " +
                  std::to_string(found) + " instead of " + std::to_string(wanted));
}

template <class OffsetOf>
View* ViewPool::open_view(OffsetOf offset_of, std::uint32_t kind) {
    for (;;) {
        const std::uint64_t epoch = pins_.pin_current(attachment_.operation);
        try {
            // Partner of the loads inside: the producer's release store of the root (or of the
            // history slot); what the record and everything behind it says was written before that.
            const auto [offset, confirmed] = offset_of(epoch);
            STRATA_CRASH_POINT("view.root-loaded");
            const ipc::RootRecord root = attachment_.control.root_at(offset, attachment_.operation);
            // The pin is as old as the root only if the epoch stood still: a younger root may reach
            // blocks that were born after the pinned epoch and that the pin does not protect.
            if (!confirmed && ipc::load_acquire(cells_.epoch) != epoch) {
                pins_.unpin(epoch);
                continue;
            }
            STRATA_CRASH_POINT("view.epoch-confirmed");
            dimensions_.prepare(root);
            stock_.prepare();
            retired_.reserve(stock_.size());
            View* const view = stock_.take();
            view->front_open.store(true, std::memory_order_relaxed);
            view->stay_out(false);
            view->use_table();
            view->root = root;
            view->generation = root.generation;
            view->root_offset = offset;
            view->epoch = epoch;
            view->directory = attachment_.control.directory_of(root);
            // From closed (plus the count of threads that are just backing out) to open with one
            // user. Release; partner: the acquire in `take`.
            view->refs.fetch_add(1 + retired_.marks_when_opened(kind) - View::closed,
                                 std::memory_order_release);
            return view;
        } catch (const Error& error) {
            pins_.unpin(epoch);
            // With a pin that is too old the record may have been gone before it was read. But what
            // was retained is known from a root that was confirmed.
            if (error.code() == Errc::generation_not_retained ||
                error.code() == Errc::bookmark_not_found ||
                ipc::load_acquire(cells_.epoch) == epoch) {
                throw;
            }
        } catch (...) {
            pins_.unpin(epoch);
            throw;
        }
    }
}

bool ViewPool::any_open(Generation first, Generation last) const noexcept {
    return stock_.any_open(first, last);
}

bool ViewPool::any_held(Generation first, Generation last) noexcept {
    return retired_.any_held(first, last);
}

std::uint64_t ViewPool::opened() const noexcept { return stock_.opened(); }

std::uint64_t ViewPool::oldest_open() const noexcept { return stock_.oldest_open(); }

void ViewPool::close_unheld() noexcept {
    retired_.close_unheld([this](View* view) STRATA_NO_THREAD_ANALYSIS { finish_close(view); });
}

// What remains to do when `refs` says closed.
void ViewPool::finish_close(View* view) noexcept {
    STRATA_CRASH_POINT("view.before-close");
    pins_.unpin(view->epoch);
    STRATA_CRASH_POINT("view.unpinned");
    view->close_front();
    stock_.give_back(view);
}

// Closes what nobody holds: retired views, and the current one if the producer has moved on, for
// its pin is in the way then.
void ViewPool::close_idle() noexcept {
    pins_.separate();
    View* const current = current_.load(std::memory_order_relaxed);
    const bool open = (current->refs.load(std::memory_order_relaxed) & View::flags) == 0;
    if (open && current->epoch != ipc::load_acquire(cells_.epoch)) {
        retired_.retire(current);
    }
    close_unheld();
    retired_.recycle_slots();
}

// Runs in the pin keeper's thread each time the producer asks for old pins.
void ViewPool::release_idle_pin() noexcept {
    const ipc::MutexLock lock(mutex_);
    close_idle();
}

CachedDimension* ViewPool::touch(View& view, Dimension dimension) {
    if (view.asking.load(std::memory_order_relaxed)) {
        const ipc::MutexLock lock(mutex_);
        if (CachedDimension* const carried = carrier_.asked(view, dimension)) {
            view.use_table();
            view.add_to_front(*carried);
            return carried;
        }
    }
    const auto record =
        attachment_.control.dimension_at(view.directory, dimension, attachment_.operation);
    if (!record) {
        return nullptr;
    }
    const ipc::MutexLock lock(mutex_);
    CachedDimension& version = dimensions_.version_of(view.generation, *record);
    view.use_table();
    carrier_.found(view, version);
    view.add_to_front(version);
    return &version;
}

void ViewPool::open_list(View& view, CachedDimension& version) noexcept {
    const ipc::MutexLock lock(mutex_);
    dimensions_.cache().open_list(version);
    view.add_to_front(version);
}

void ViewPool::add_to_front(View& view, CachedDimension& version) noexcept {
    const ipc::MutexLock lock(mutex_);
    view.add_to_front(version);
}

ConsumerStatistics ViewPool::statistics() noexcept {
    const ipc::MutexLock lock(mutex_);
    return dimensions_.statistics();
}

bool ViewPool::announce_waiter() noexcept {
    const ipc::MutexLock lock(mutex_);
    return pins_.announce_waiter();
}

void ViewPool::release() noexcept {
    pin_keeper_.stop();  // first: its thread takes the mutex
    const ipc::MutexLock lock(mutex_);
    retired_.retire(current_.load(std::memory_order_relaxed));
    released_ = true;
}

bool ViewPool::settle() noexcept {
    const ipc::MutexLock lock(mutex_);
    close_idle();
    return released_ && stock_.open() == 0;
}

void ViewPool::prepare_fork() noexcept {
    mutex_.lock();
    pins_.prepare_fork();
}

void ViewPool::parent_after_fork() noexcept {
    pins_.parent_after_fork();
    mutex_.unlock();
}

void ViewPool::child_after_fork() noexcept {
    pins_.child_after_fork();
    retired_.child_after_fork();
    pin_keeper_.forget();
    // Release the pin that is cached for the next snapshot: the child has no keeper thread, and may
    // never take one.
    retired_.retire(current_.load(std::memory_order_relaxed));
    close_unheld();
    mutex_.unlock();
}

}  // namespace strata::consumer_impl
