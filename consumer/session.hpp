// SPDX-License-Identifier: Apache-2.0
// One attachment: the open store, the views of its generations, and the pins that keep them valid.
// It lives until its Consumer and the last Snapshot are gone.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "consumer/hold_cell.hpp"
#include "consumer/pin_set.hpp"
#include "consumer/view.hpp"
#include "consumer/watcher.hpp"
#include "ipc/atomic_word.hpp"
#include "ipc/control_file.hpp"
#include "ipc/fork_hooks.hpp"
#include "ipc/region_file.hpp"
#include "ipc/store_files.hpp"
#include "strata/consumer.hpp"

namespace strata::consumer_impl {

class Session final : private ipc::ForkHook {
public:
    Session(ipc::StoreDirectory store, const ConsumerOptions& options, const ipc::Trust& trust);
    /// The Consumer lets go: the session ends now, or with its last snapshot.
    static void release(Session* session) noexcept;

    const ConsumerOptions& options() const noexcept { return options_; }
    const ipc::StoreDirectory& store() const noexcept { return store_; }
    const std::filesystem::path& path() const noexcept { return path_; }
    const ipc::ControlFile& control() const noexcept { return control_; }

    /// The newest generation.
    Held take() {
        HoldCell* const cell = known_cell(number_);
        if (cell != nullptr && cell->held.load(std::memory_order_relaxed) == nullptr) [[likely]] {
            View* const view = current_.load(std::memory_order_acquire);
            announce_store(cell->held, view);
            light_barrier();
            // Acquire; partner: the release with which open_view published the view's fields. From
            // here on whoever wants to close the view finds it held.
            if ((look(view->refs) & View::flags) == 0 && is_newest(*view)) [[likely]] {
                return {view, cell};
            }
            withdraw(cell);
        }
        return take_slowly();
    }
    Held take_retained(Generation generation);

    /// Gives a hold back. The session may be gone when this returns.
    static void drop(const Held& held) noexcept {
        if (held.cell != nullptr) {
            withdraw(held.cell);
        } else {
            drop_counted(held.view);
        }
    }

    /// Maps and remembers a dimension; null if the generation has none. Throws Error.
    TouchedDimension* touch(View& view, Dimension dimension);
    /// The dimension, touched if need be; for callers that cannot be told why that failed: null
    /// then, too.
    TouchedDimension* dimension_of(View& view, Dimension dimension) noexcept {
        TouchedDimension* const known = view.touched(dimension);
        return known != nullptr ? known : touch_quietly(view, dimension);
    }
    /// To be told of every layer that was found by walking the index.
    void found(View& view, TouchedDimension& dimension, std::uint64_t layer,
               const Layer& found) noexcept {
        // Acquire; partner: the release in open_place_list.
        if (const auto* const list = dimension.list.load(std::memory_order_acquire)) {
            note_places(*list, dimension.index, layer, found);
            return;
        }
        const std::uint32_t left = dimension.walks_left.load(std::memory_order_relaxed);
        if (left != 0) {
            dimension.walks_left.store(left - 1, std::memory_order_relaxed);
            if (left == 1) [[unlikely]] {
                open_place_list(view, dimension);
            }
        }
    }

    WaitResult wait(Generation seen,
                    std::optional<std::chrono::steady_clock::time_point> deadline) const;
    int event_descriptor();
    Generation acknowledge_event();
    bool replaced() const;

private:
    void announce_waiter() const noexcept;
    ~Session();

    static void withdraw(HoldCell* cell) noexcept {
        // Read first: afterwards the cell may be another's.
        const std::uint64_t number = cell->session.load(std::memory_order_relaxed);
        if (cell->withdraw()) [[unlikely]] {
            settle(number);
        }
    }
    static void drop_counted(View* view) noexcept;
    /// Looks after the session with that number, if it still exists: closes what can be closed,
    /// ends the session if that was all it waited for.
    static void settle(std::uint64_t number) noexcept;

    bool is_newest(const View& view) const noexcept {
        return view.generation == ipc::load_acquire(control_.cells().generation);
    }
    Held take_slowly();
    View* newest_view();
    HoldCell* cell_of_this_thread();
    /// Loads the root that `offset_of()` names, pinned; count 1 plus `flags`. Mutex held.
    template <class OffsetOf>
    View* open_view(OffsetOf offset_of, std::uint32_t flags);
    View* free_view(std::uint32_t dimensions);
    void retire(View* view) noexcept;
    void close_unheld(std::vector<View*>& views) noexcept;
    void close_idle() noexcept;
    void finish_close(View* view) noexcept;
    TouchedDimension* touch_quietly(View& view, Dimension dimension) noexcept;
    void open_place_list(View& view, TouchedDimension& dimension) noexcept;
    View* last_with_places(const View& view, Dimension number,
                           const ipc::IndexView& index) const noexcept;
    PlaceArray new_places(std::uint64_t count, std::uint64_t kept) noexcept;
    PlaceArray take_places(View& before, Dimension number, std::uint64_t count) noexcept;
    PlaceArray copy_places(const detail::PlaceList& noted, std::uint64_t count) noexcept;
    void expect_places(const View& view, TouchedDimension& dimension) const noexcept;
    static void correct_places(const detail::PlaceList& list, const ipc::IndexView& before,
                               const ipc::IndexView& index) noexcept;
    void close_place_lists(View& view) noexcept;
    static void note_places(const detail::PlaceList& list, const ipc::IndexView& index,
                            std::uint64_t layer, const Layer& found) noexcept;
    bool is_held(const View* view) const noexcept;
    static bool is_counted(const View* view) noexcept;
    bool is_abandoned(const View* view) const noexcept;
    void drop_unused_regions(Generation layout) noexcept;
    void release_idle_pin() noexcept;

    void prepare_fork() noexcept override;
    void parent_after_fork() noexcept override;
    void child_after_fork() noexcept override;
    static void end_of_fork() noexcept;

    const std::uint64_t number_;  // never used twice in a process
    const ConsumerOptions options_;
    const ipc::Trust trust_;
    const ipc::StoreDirectory store_;
    const std::filesystem::path path_;
    const std::string operation_;
    const ipc::ControlFile control_;

    std::mutex mutex_;  // guards everything below but the two atomics; after the registry's
    std::atomic<View*> current_;
    std::vector<std::unique_ptr<View>> views_;
    std::vector<View*> free_views_;
    std::vector<View*> retired_views_;
    std::vector<HoldCell*> cells_;
    std::size_t open_views_ = 0;
    bool released_ = false;
    bool warmed_up_ = false;  // a first snapshot was taken
    PinSet pins_;
    /// By serial. (A hash table would cost a first attachment three more pages of code.)
    std::vector<std::pair<std::uint64_t, std::shared_ptr<ipc::RegionMapping>>> regions_;
    Generation regions_layout_ = 0;
    std::uint64_t place_bytes_ = 0;  // of all views' place lists

    // Lets go of an idle pin when the producer moves the epoch on.
    Watcher pin_keeper_;
    // Signals the event descriptor.
    Watcher notifier_;
    ipc::FileDescriptor event_;
    std::atomic<Generation> acknowledged_{0};
    mutable std::atomic<bool> announced_{false};  // to the producer, that somebody here waits
};

}  // namespace strata::consumer_impl
