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
#include <unordered_map>
#include <vector>

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

    /// The newest generation; the caller owns one count of the view.
    View* take() {
        View* const view = current_.load(std::memory_order_acquire);
        // Acquire; partner: the release with which open_view published the view's fields.
        const std::uint32_t before = view->refs.fetch_add(1, std::memory_order_acquire);
        if ((before & (View::closed | View::retired)) == 0 &&
            view->generation == ipc::load_acquire(control_.cells().generation)) [[likely]] {
            return view;
        }
        return take_newest(view);
    }
    View* take_retained(Generation generation);

    /// Gives back one count; closes the view if it was the last of a retired one.
    static void drop(View* view) noexcept {
        std::uint32_t refs = view->refs.load(std::memory_order_relaxed);
        bool last = false;
        do {
            last = refs == (View::retired | 1);
            // Release: reads through the view end before; acquire: for the thread that closes it.
        } while (!view->refs.compare_exchange_weak(refs, last ? View::closed : refs - 1,
                                                   std::memory_order_acq_rel,
                                                   std::memory_order_relaxed));
        if (last) [[unlikely]] {
            // Only one thread can make this step, and the session waits for it.
            view->session->clean_up(view);
        }
    }

    /// Maps and remembers a dimension; null if the generation has none. Throws Error.
    const TouchedDimension* touch(View& view, Dimension dimension);

    WaitResult wait(Generation seen,
                    std::optional<std::chrono::steady_clock::time_point> deadline) const;
    int event_descriptor();
    Generation acknowledge_event();
    bool replaced() const;

private:
    ~Session();

    View* take_newest(View* stale);
    /// Loads the root that `offset_of()` names, pinned; count 1 plus `flags`. Mutex held.
    template <class OffsetOf>
    View* open_view(OffsetOf offset_of, std::uint32_t flags);
    View* free_view(std::uint32_t dimensions);
    void retire(View* view) noexcept;
    void close(View* view) noexcept;
    void clean_up(View* view) noexcept;
    void drop_unused_regions(Generation layout) noexcept;
    void release_idle_pin() noexcept;

    void prepare_fork() noexcept override;
    void parent_after_fork() noexcept override;
    void child_after_fork() noexcept override;

    const ConsumerOptions options_;
    const ipc::Trust trust_;
    const ipc::StoreDirectory store_;
    const std::filesystem::path path_;
    const std::string operation_;
    const ipc::ControlFile control_;

    std::mutex mutex_;  // guards everything below but the two atomics
    std::atomic<View*> current_;
    std::vector<std::unique_ptr<View>> views_;
    std::vector<View*> free_views_;
    std::size_t open_views_ = 0;
    bool released_ = false;
    bool warmed_up_ = false;  // a first snapshot was taken
    PinSet pins_;
    std::unordered_map<std::uint64_t, std::shared_ptr<ipc::RegionMapping>> regions_;
    Generation regions_layout_ = 0;

    // Lets go of an idle pin when the producer moves the epoch on.
    Watcher pin_keeper_;
    // Signals the event descriptor.
    Watcher notifier_;
    ipc::FileDescriptor event_;
    std::atomic<Generation> acknowledged_{0};
};

}  // namespace strata::consumer_impl
