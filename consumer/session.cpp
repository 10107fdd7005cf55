// SPDX-License-Identifier: Apache-2.0
#include "consumer/session.hpp"

#include <algorithm>
#include <utility>

#include "ipc/failure.hpp"

namespace strata::consumer_impl {

namespace {

/// Sessions by number: for those who let go of the last hold and cannot know whether the session
/// has ended meanwhile.
struct Registry {
    std::mutex mutex;  // before any session's
    std::vector<std::pair<std::uint64_t, Session*>> sessions;
    std::uint64_t last_number = 0;
    unsigned forking =
        0;  // sessions that are prepared for a fork; the first locks, the last unlocks

    static Registry& instance() {
        static auto* const made = new Registry;  // outlives objects with static storage
        return *made;
    }
    std::uint64_t next_number() {
        const std::lock_guard lock(mutex);
        return ++last_number;
    }
    void add(std::uint64_t number, Session* session) {
        const std::lock_guard lock(mutex);
        sessions.emplace_back(number, session);
    }
};

}  // namespace

Session::Session(ipc::StoreDirectory store, const ConsumerOptions& options, const ipc::Trust& trust)
    : number_(Registry::instance().next_number()),
      options_(options),
      trust_(trust),
      store_(std::move(store)),
      path_(store_.path),
      operation_(ipc::operation_on("read", store_.name)),
      control_(store_, ipc::Access::read_only, trust, ipc::operation_on("attach", store_.name)),
      pins_(control_) {
    views_.push_back(std::make_unique<View>(*this));  // closed: the first `take` opens one
    free_views_.push_back(views_.back().get());
    current_.store(views_.back().get(), std::memory_order_release);
    Registry::instance().add(number_, this);
    register_hook();
}

Session::~Session() {
    unregister_hook();
    for (HoldCell* const cell : cells_) {
        recycle_cell(cell);
    }
}

void Session::release(Session* session) noexcept {
    // The watchers first: they use the session from their own threads.
    session->pin_keeper_.stop();
    session->notifier_.stop();
    {
        const std::lock_guard lock(session->mutex_);
        session->retire(session->current_.load(std::memory_order_relaxed));
        session->released_ = true;
    }
    settle(session->number_);
}

void Session::settle(std::uint64_t number) noexcept {
    Session* ended = nullptr;
    {
        Registry& registry = Registry::instance();
        const std::lock_guard registry_lock(registry.mutex);
        const auto found = std::find_if(registry.sessions.begin(), registry.sessions.end(),
                                        [&](const auto& entry) { return entry.first == number; });
        if (found == registry.sessions.end()) {
            return;
        }
        Session& session = *found->second;
        const std::lock_guard lock(session.mutex_);
        session.close_idle();
        if (session.released_ && session.open_views_ == 0) {
            ended = &session;
            registry.sessions.erase(found);
        }
    }
    delete ended;
}

void Session::drop_counted(View* view) noexcept {
    const std::uint64_t number = view->session->number_;
    // Release: reads through the view end before; partner: the closer's exchange in try_close.
    const std::uint32_t before = view->refs.fetch_sub(1, std::memory_order_acq_rel);
    // From here on the view may be gone.
    if ((before & View::flags) != 0 && (before & ~View::flags) == 1) [[unlikely]] {
        settle(number);
    }
}

HoldCell* Session::cell_of_this_thread() {
    if (!can_hold()) {
        return nullptr;
    }
    if (HoldCell* const known = find_cell(number_)) {
        return known;
    }
    cells_.reserve(cells_.size() + 1);
    HoldCell* const cell = new_cell(number_);
    cells_.push_back(cell);
    try {
        remember_cell(number_, cell);
    } catch (...) {
        cell->ownerless.store(true, std::memory_order_relaxed);
        throw;
    }
    return cell;
}

// What `take` could not do: a first snapshot in this thread, a second one at the same time, a newer
// generation.
Held Session::take_slowly() {
    View* const view = current_.load(std::memory_order_acquire);
    if (known_cell(number_) != nullptr &&
        (view->refs.load(std::memory_order_relaxed) & View::flags) == 0) {
        // Acquire; partner: the release with which open_view published the view's fields.
        const std::uint32_t before = view->refs.fetch_add(1, std::memory_order_acquire);
        if ((before & View::flags) == 0 && is_newest(*view)) {
            return {view, nullptr};
        }
        drop_counted(view);
    }
    const std::lock_guard lock(mutex_);
    HoldCell* const cell = cell_of_this_thread();
    View* const newest = newest_view();
    if (cell != nullptr && cell->held.load(std::memory_order_relaxed) == nullptr &&
        (newest->refs.load(std::memory_order_relaxed) & View::flags) == 0) {
        // Under the mutex, so no closer is looking: the hold moves from the count to the cell.
        announce_store(cell->held, newest);
        newest->refs.fetch_sub(1, std::memory_order_release);
        return {newest, cell};
    }
    return {newest, nullptr};
}

// The hooks of all sessions run in one thread, under the lock of their list.
void Session::end_of_fork() noexcept {
    Registry& registry = Registry::instance();
    if (--registry.forking == 0) {
        registry.mutex.unlock();
    }
}

void Session::prepare_fork() noexcept {
    Registry& registry = Registry::instance();
    if (registry.forking++ == 0) {
        registry.mutex.lock();
    }
    mutex_.lock();
    pins_.prepare_fork();
}

void Session::parent_after_fork() noexcept {
    pins_.parent_after_fork();
    mutex_.unlock();
    end_of_fork();
}

void Session::child_after_fork() noexcept {
    pins_.child_after_fork();
    ipc::os::register_barriers();                        // anew: the child is a process of its own
    announced_.store(false, std::memory_order_relaxed);  // its lock is the parent's
    pin_keeper_.forget();
    notifier_.forget();
    event_.reset();  // the eventfd is shared with the parent; the child makes its own when asked
    // The keeper of the pin that is kept for the next snapshot has not come along: let it go. The
    // child may never take one.
    retire(current_.load(std::memory_order_relaxed));
    close_unheld(retired_views_);
    mutex_.unlock();
    end_of_fork();
}

}  // namespace strata::consumer_impl
