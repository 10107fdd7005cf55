// SPDX-License-Identifier: Apache-2.0
// Publishing a batch. Everything that can fail happens before the root is stored; what comes after
// cannot fail.
#include "producer/commit.hpp"

#include <algorithm>
#include <new>
#include <utility>

#include "ipc/atomic_word.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"

namespace strata::producer_impl {

namespace {

// Without a lock prefix, which costs as much as a look-up. Safe: written with the commit mutex
// held.
void add_relaxed(std::atomic<std::uint64_t>& counter, std::uint64_t value) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

}  // namespace

Generation Store::commit(BatchState& batch) {
    check_process("crystallize");
    batch.settle();
    const Notices notices(*this);
    const std::lock_guard lock(commit_mutex_);
    try {
        return commit_locked(batch);
    } catch (const Error& error) {
        const bool no_room = error.code() == Errc::limit_exceeded || error.code() == Errc::no_space;
        if (!no_room || !move_on(error.path())) {
            throw;
        }
    }
    return commit_locked(batch);
}

Generation Store::commit_locked(BatchState& batch) {
    if (batch.size() == 0) {
        return root_.generation;
    }
    batch.follow_moves();
    {
        Commit commit(*this, batch);
        STRATA_CRASH_POINT("commit.begin");
        commit.apply_dimensions();
        STRATA_CRASH_POINT("commit.layers-applied");
        if (commit.changes.empty()) {  // it only removed what was not there
            batch.clear();
            return root_.generation;
        }
        const auto left_behind = batch.left_behind();
        trail_.retired.insert(trail_.retired.end(), left_behind.begin(), left_behind.end());
        commit.write_directory();
        STRATA_CRASH_POINT("commit.directory-written");
        commit.write_root();
        STRATA_CRASH_POINT("commit.root-written");
        commit.prepare_retiring();
        commit.publish();
        for (const Commit::Changed& changed : commit.changes) {
            if (changed.made) {
                publish_first_table(*changed.region, root_.published_at_ns);
            }
        }
    }
    STRATA_CRASH_POINT("commit.published");
    batch.forget();
    // Often enough that what is given out again is still in the processor's cache, seldom enough
    // that the system calls do not count: two, and one for each pinned epoch.
    const std::uint64_t often = (256 << 10) * (1 + last_pins_.size() / 8);
    const std::uint64_t worth = std::clamp<std::uint64_t>(
        std::min(root_.live_bytes / 16, budget_.limit() / 32), 64 << 10, often);
    const std::int64_t patience_ns = options_.slow_readers.max_age.count() / 4;
    const std::int64_t since_ns = root_.published_at_ns - last_reclaim_ns_;  // < 0: set back
    const bool look_at_readers =
        patience_ns > 0 && limbo_.bytes() > 0 && (since_ns > patience_ns || since_ns < 0);
    if (limbo_.fresh_bytes() >= worth || look_at_readers) {
        try {
            reclaim_locked();
        } catch (const std::bad_alloc&) {  // what is published must not look refused: later, then
        }
    }
    STRATA_CRASH_POINT("commit.reclaimed");
    publish_statistics(root_.published_at_ns);
    return root_.generation;
}

// Now and then: what is published in files that have no name is lost on every new consumer.
void Store::check_name(std::int64_t now_ns) {
    constexpr std::int64_t period_ns = 100'000'000;
    if (now_ns >= last_name_check_ns_ && now_ns - last_name_check_ns_ < period_ns) {
        return;
    }
    if (ipc::is_replaced(directory_, control_.file())) {
        ipc::fail(Errc::store_replaced, operation("crystallize"), directory_.path,
                  "the store was removed, or another one stands under its name",
                  "create it anew; attached consumers read what was published before");
    }
    last_name_check_ns_ = now_ns;
}

// Everything that `publish` must not fail to do.
void Store::Commit::prepare_retiring() {
    const std::uint64_t epoch = store.epoch_.load(std::memory_order_relaxed);
    for (const Changed& changed : changes) {
        if (changed.old != nullptr && changed.old != changed.region) {
            retired_files.push_back({.region = store.published_region(changed.dimension),
                                     .name = changed.old->file_name,
                                     .bytes = 0,
                                     .birth = changed.old->published.birth_epoch,
                                     .tag = epoch});
        }
        if (changed.made) {
            store.published_[changed.dimension];  // the place for it: erased again if all fails
        }
    }
    std::size_t waiting = trail.retired.size();
    std::size_t files = retired_files.size();
    for (const HistoryEntry& entry : store.history_) {
        waiting += entry.blocks.size();
        files += entry.files.size();
    }
    store.limbo_.reserve(waiting);
    store.retired_files_.reserve(store.retired_files_.size() + files);
    if (store.retain_ > 0) {
        store.history_.push_back({generation - 1, {}, {}});
        store.history_.back().blocks.reserve(trail.retired.size());
    }
}

void Store::Commit::count_blocks() noexcept {
    const auto layers = std::count_if(batch.ops().begin(), batch.ops().end(),
                                      [](const BatchOp& op) { return op.header != 0; });
    add_relaxed(store.allocations_, trail.allocated.size() + static_cast<std::uint64_t>(layers));
    add_relaxed(store.commits_, 1);
}

void Store::Commit::publish() noexcept {
    published = true;
    ipc::ControlCells& cells = *store.control_.at<ipc::ControlCells>(ipc::cells_offset);
    auto* const history = store.control_.at<std::uint64_t>(ipc::history_offset);
    // Release; partner: the acquire load of `root` in Session::open_view. From here on everybody
    // sees the new generation whole.
    STRATA_CRASH_POINT("commit.before-root");
    ipc::store_release(cells.root, root_offset);
    STRATA_CRASH_POINT("commit.root-stored");
    if (store.retain_ > 0) {
        // After the root: nobody may ask for a generation by number before it is published.
        ipc::store_release(history[generation % ipc::history_slots], root_offset);
        STRATA_CRASH_POINT("commit.history-stored");
    }
    // Release; partner: the acquire loads of `generation` in Session::take and Session::wait. After
    // the root, so that who sees the number finds its root.
    ipc::store_release(cells.generation, generation);
    STRATA_CRASH_POINT("commit.generation-stored");
    if (store.waiters_.present()) {
        ipc::os::futex_wake(ipc::futex_word(cells.generation));
    }
    STRATA_CRASH_POINT("commit.woken");

    store.root_ = root;
    store.root_offset_ = root_offset;
    store.generation_.store(generation, std::memory_order_release);
    count_blocks();
    for (Changed& changed : changes) {
        if (changed.region != nullptr) {
            changed.region->published = std::move(changed.state);
        }
        if (changed.region != changed.old) {
            if (changed.old != nullptr) {
                changed.old->set_in_use(false);
            }
            if (changed.region != nullptr) {
                changed.region->keep_file = true;
                changed.region->set_in_use(true);
                store.published_[changed.dimension] = changed.made;
            } else {
                store.published_.erase(changed.dimension);  // retired_files keeps it alive
            }
            const std::lock_guard lock(store.regions_mutex_);
            store.current_regions_[changed.dimension] = changed.made;
            if (batch.relocates()) {  // after its successor can be found
                changed.old->set_moved();
            }
        }
    }
    const std::uint64_t epoch = store.epoch_.load(std::memory_order_relaxed);
    for (const CommitTrail::Block& block : trail.retired) {
        const Retired entry{.region = block.region,
                            .offset = block.offset,
                            .birth = block.birth,
                            .tag = epoch,
                            .bytes = block.bytes};
        if (store.retain_ > 0) {
            store.history_.back().blocks.push_back(entry);
        } else {
            store.limbo_.add(entry);
        }
    }
    if (store.retain_ > 0) {
        store.history_.back().files = std::move(retired_files);
        store.evict_history(generation - std::min<Generation>(store.retain_, generation - 1));
    } else {
        for (RetiredFile& file : retired_files) {
            store.retired_files_.push_back(std::move(file));
        }
    }
}

// Lets go of the generations before `oldest`. First the slot, then the blocks: see
// docs/reclamation.md.
void Store::evict_history(Generation oldest) noexcept {
    auto* const slots = control_.at<std::uint64_t>(ipc::history_offset);
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
    while (!history_.empty() && history_.front().generation < oldest) {
        HistoryEntry& entry = history_.front();
        ipc::store_release(slots[entry.generation % ipc::history_slots], 0);
        STRATA_CRASH_POINT("history.slot-cleared");
        for (Retired& block : entry.blocks) {
            block.tag = epoch;
            limbo_.add(block);
        }
        for (RetiredFile& file : entry.files) {
            file.tag = epoch;
            retired_files_.push_back(std::move(file));
        }
        history_.pop_front();
    }
}

}  // namespace strata::producer_impl
