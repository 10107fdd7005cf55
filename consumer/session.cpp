// SPDX-License-Identifier: Apache-2.0
#include "consumer/session.hpp"

#include <algorithm>
#include <bit>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/lock_table.hpp"

namespace strata::consumer_impl {

Session::Session(ipc::StoreDirectory store, const ConsumerOptions& options, const ipc::Trust& trust)
    : options_(options),
      trust_(trust),
      store_(std::move(store)),
      path_(store_.path),
      operation_(ipc::operation_on("read", store_.name)),
      control_(store_, ipc::Access::read_only, trust, ipc::operation_on("attach", store_.name)),
      pins_(control_) {
    views_.push_back(std::make_unique<View>(*this));  // closed: the first `take` opens one
    current_.store(views_.back().get(), std::memory_order_release);
    register_hook();
}

Session::~Session() { unregister_hook(); }

void Session::release(Session* session) noexcept {
    // The watchers first: they use the session from their own threads.
    session->pin_keeper_.stop();
    session->notifier_.stop();
    bool last = false;
    {
        const std::lock_guard lock(session->mutex_);
        session->retire(session->current_.load(std::memory_order_relaxed));
        session->released_ = true;
        last = session->open_views_ == 0;
    }
    if (last) {
        delete session;
    }
}

View* Session::take_newest(View* stale) {
    drop(stale);
    const std::lock_guard lock(mutex_);
    View* const current = current_.load(std::memory_order_relaxed);
    // Only this mutex's holders retire and close the current view, so its state cannot change here
    // except for its count.
    const bool open =
        (current->refs.load(std::memory_order_relaxed) & (View::closed | View::retired)) == 0;
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
    View* const view = open_view([&] { return ipc::load_acquire(root); }, keep ? 0 : View::retired);
    warmed_up_ = true;
    if (keep) {
        current_.store(view, std::memory_order_release);
        if (current != view) {  // a closed current view may just have been used again
            retire(current);
        }
    }
    return view;
}

View* Session::take_retained(Generation generation) {
    {
        View* const newest = take();
        if (newest->generation == generation) {
            return newest;
        }
        drop(newest);
    }
    const std::lock_guard lock(mutex_);
    View* const view = open_view(
        [&] { return generation == 0 ? 0 : ipc::load_acquire(control_.history_slot(generation)); },
        View::retired);
    if (view->generation == generation) {
        return view;
    }
    const Generation found = view->generation;
    // Only threads that are backing out can have touched the count: keep theirs.
    view->refs.fetch_add(View::closed - View::retired - 1, std::memory_order_relaxed);
    close(view);
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
            if (offset == 0) {
                ipc::fail(Errc::generation_not_retained, operation_, control_.path(),
                          "that generation is not kept",
                          "let the producer retain more (ProducerOptions::retain)");
            }
            const ipc::RootRecord root = control_.root_at(offset, operation_);
            // The pin is as old as the root only if the epoch stood still: a younger root may reach
            // blocks that were born after the pinned epoch and that the pin does not protect.
            if (ipc::load_acquire(control_.cells().epoch) != epoch) {
                pins_.unpin(epoch);
                continue;
            }
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
        } catch (...) {
            pins_.unpin(epoch);
            throw;
        }
    }
}

View* Session::free_view(std::uint32_t dimensions) {
    free_views_.reserve(views_.size() + 1);  // so that giving it back cannot throw
    if (free_views_.empty()) {
        views_.push_back(std::make_unique<View>(*this));
        free_views_.push_back(views_.back().get());
    }
    View* const view = free_views_.back();
    const std::uint32_t places = std::bit_ceil(std::max<std::uint32_t>(dimensions, 8) * 2);
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

// Takes the flag of being current away; closes the view if nobody uses it.
void Session::retire(View* view) noexcept {
    std::uint32_t refs = view->refs.load(std::memory_order_relaxed);
    std::uint32_t next = 0;
    do {
        if ((refs & (View::closed | View::retired)) != 0) {
            return;
        }
        next = refs == 0 ? View::closed : refs | View::retired;
    } while (!view->refs.compare_exchange_weak(refs, next, std::memory_order_acq_rel,
                                               std::memory_order_relaxed));
    if (next == View::closed) {
        close(view);
    }
}

// What remains to do when `refs` says closed. Mutex held.
void Session::close(View* view) noexcept {
    pins_.unpin(view->epoch);
    view->regions.clear();
    free_views_.push_back(view);
    --open_views_;
}

void Session::clean_up(View* view) noexcept {
    bool last = false;
    {
        const std::lock_guard lock(mutex_);
        close(view);
        last = released_ && open_views_ == 0;
    }
    if (last) {
        delete this;
    }
}

// Runs in the pin keeper's thread each time the producer asks for old pins.
void Session::release_idle_pin() noexcept {
    const std::lock_guard lock(mutex_);
    View* const view = current_.load(std::memory_order_relaxed);
    std::uint32_t idle = 0;
    if (view->epoch != ipc::load_acquire(control_.cells().epoch) &&
        view->refs.compare_exchange_strong(idle, View::closed, std::memory_order_acq_rel,
                                           std::memory_order_relaxed)) {
        close(view);
    }
}

// Mappings of regions that were removed would keep their memory from the system. Those still in use
// are mapped again when they are touched.
void Session::drop_unused_regions(Generation layout) noexcept {
    std::erase_if(regions_, [](const auto& entry) { return entry.second.use_count() == 1; });
    regions_layout_ = layout;
}

const TouchedDimension* Session::touch(View& view, Dimension dimension) {
    const auto record = control_.dimension_at(view.directory, dimension, operation_);
    if (!record) {
        return nullptr;
    }
    const std::lock_guard lock(mutex_);
    if (const TouchedDimension* const done = view.touched(dimension)) {
        return done;
    }
    auto found = regions_.find(record->serial);
    if (found == regions_.end()) {
        found = regions_
                    .emplace(record->serial,
                             std::make_shared<ipc::RegionMapping>(store_, control_.identity(),
                                                                  *record, trust_, operation_))
                    .first;
    }
    const ipc::IndexView index = found->second->index_of(*record, operation_);
    if (view.regions.size() > view.mask / 2) {
        ipc::fail(Errc::corrupt, operation_, control_.path(),
                  "the root claims fewer dimensions than its directory has");
    }
    view.regions.push_back(found->second);
    return view.insert(dimension, index);
}

void Session::prepare_fork() noexcept {
    mutex_.lock();
    pins_.prepare_fork();
}

void Session::parent_after_fork() noexcept {
    pins_.parent_after_fork();
    mutex_.unlock();
}

void Session::child_after_fork() noexcept {
    pins_.child_after_fork();
    pin_keeper_.forget();
    notifier_.forget();
    event_.reset();  // the eventfd is shared with the parent; the child makes its own when asked
    mutex_.unlock();
}

}  // namespace strata::consumer_impl
