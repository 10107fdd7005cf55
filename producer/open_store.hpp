// SPDX-License-Identifier: Apache-2.0
// The producer's end of a store: puts its parts together and speaks to the public classes. Each
// part says what it owns; most of it is guarded by the commit lock (commit_lock.hpp).
//
// Locks, in this order: the commit lock, DimensionHomes' own, a region's own (its allocator).
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/files/life_file.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/fork_hooks.hpp"
#include "producer/commit/committer.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/commit/dimension_homes.hpp"
#include "producer/commit/placement.hpp"
#include "producer/commit/proto_registry.hpp"
#include "producer/commit/waiters.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/durability/checkpointer.hpp"
#include "producer/durability/durability.hpp"
#include "producer/lifecycle/producer_lock.hpp"
#include "producer/memory/memory_budget.hpp"
#include "producer/memory/region_factory.hpp"
#include "producer/memory/store_memory.hpp"
#include "producer/reclaim/bookmarks.hpp"
#include "producer/reclaim/reclaimer.hpp"
#include "producer/reclaim/relocator.hpp"
#include "producer/statistics/counters.hpp"
#include "producer/statistics/statistics_writer.hpp"
#include "strata/bookmark.hpp"
#include "strata/producer.hpp"
#include "strata/statistics.hpp"

namespace strata::producer_impl {

/// Whether what is durable when a store is opened stays so, and readable, until it is released.
enum class KeepDurable : bool { no, yes };

class OpenStore final : private ipc::ForkHook {
public:
    /// Takes over an existing store; `lock` is held. Rebuilds the allocators from the root.
    /// `life`: its sign of life, if it has one already (a new store).
    OpenStore(ipc::StoreDirectory directory, ProducerLock lock, const ProducerOptions& options,
              ipc::LifeFile life = {}, KeepDurable keep = KeepDurable::no);
    /// Never in a forked child: other threads of the parent may have been changing anything.
    ~OpenStore();

    const std::string& name() const noexcept { return directory_.name; }
    const std::filesystem::path& path() const noexcept { return path_; }
    MemoryBudget& budget() noexcept { return budget_; }
    const ipc::ControlIdentity& identity() const noexcept { return control_.identity(); }
    Generation generation() const noexcept { return current_.number(); }
    /// Of the newest generation.
    std::optional<Dimension> find_dimension(std::string_view name) const
        STRATA_EXCLUDES(commit_role);
    bool has_dimension(Dimension dimension) const STRATA_EXCLUDES(commit_role);

    Batch make_batch();
    ProtoRegistry& protos() noexcept { return protos_; }
    Generation commit(BatchState& batch) STRATA_EXCLUDES(commit_role);

    bool forked() const noexcept { return forked_.load(std::memory_order_relaxed); }
    /// Throws Error{wrong_process} in a forked child.
    void check_process(std::string_view operation) const;

    Generation move_dimension(Dimension dimension, const DimensionOptions& options)
        STRATA_EXCLUDES(commit_role);
    void set_memory_limit(std::uint64_t bytes) STRATA_EXCLUDES(commit_role);
    ProducerStats stats() const STRATA_EXCLUDES(commit_role);
    StoreStatistics statistics() STRATA_EXCLUDES(commit_role);
    std::uint64_t reclaim() STRATA_EXCLUDES(commit_role);
    std::uint64_t trim() STRATA_EXCLUDES(commit_role);
    Generation set_bookmark(std::string_view name, Generation generation)
        STRATA_EXCLUDES(commit_role);
    void remove_bookmark(std::string_view name) STRATA_EXCLUDES(commit_role);
    std::vector<Bookmark> bookmarks() const STRATA_EXCLUDES(commit_role);
    Generation checkpoint() STRATA_EXCLUDES(commit_role);
    void wait_durable(Generation generation) STRATA_EXCLUDES(commit_role);
    Generation durable_generation() const noexcept { return durability_.durable(); }

    // With KeepDurable::yes, and while nobody else has the store.
    /// What the last producer made durable; nullopt: nothing.
    std::optional<ipc::DurableSlot> durable_slot() const { return durability_.newest_slot(); }
    std::uint64_t root_offset() const STRATA_EXCLUDES(commit_role);
    const ipc::StoreDirectory& directory() const noexcept { return directory_; }
    void release_durable() noexcept { durability_.keep(false); }

    /// Delivers pending user callbacks on destruction: declared before the commit lock is taken, so
    /// that the user's functions are called without any.
    class Notices {
    public:
        explicit Notices(OpenStore& store) noexcept : store_(store) {}
        Notices(const Notices&) = delete;
        Notices& operator=(const Notices&) = delete;
        ~Notices() {
            store_.statistics_.check_warning();
            store_.reclaimer_.slow_readers().deliver(store_.commit_mutex_);
        }

    private:
        OpenStore& store_;
    };

private:
    Generation commit_locked(BatchState& batch) STRATA_EXCLUDES(commit_role);
    Generation try_commit(BatchState& batch) STRATA_REQUIRES(commit_role);
    Generation commit_told(BatchState& batch) STRATA_REQUIRES(commit_role);
    /// Returns when `generation` is durable. A failed flush is recorded in the audit log once.
    void make_durable(Generation generation, const std::string& operation)
        STRATA_EXCLUDES(commit_role);
    std::string operation(std::string_view what) const {
        return ipc::operation_on(what, directory_.name);
    }
    /// What an audit log records of this store.
    AuditEntry entry(std::string_view operation) const noexcept {
        return {.operation = operation, .store = path_.native()};
    }
    /// What a bookmark of that generation, or (0) of the newest one, refers to. Throws
    /// generation_not_retained.
    Bookmarks::Root root_to_keep(Generation generation, const std::string& operation)
        STRATA_REQUIRES(commit_role);
    Generation set_bookmark_locked(std::string_view name, Generation generation,
                                   const std::string& operation) STRATA_REQUIRES(commit_role);
    void take_over() STRATA_EXCLUDES(commit_role);
    void start_durability() STRATA_EXCLUDES(commit_role);
    void announce_life();
    void child_after_fork() noexcept override;

    ipc::StoreDirectory directory_;
    const std::filesystem::path path_;
    ProducerLock lock_;
    const ProducerOptions options_;
    MemoryBudget budget_;
    Counters counters_;
    ipc::DurableSlots slots_;
    DurablePins durable_pins_;
    ControlRegion control_;
    ipc::LifeFile life_;
    std::atomic<bool> forked_{false};

    mutable std::mutex commit_mutex_;
    CurrentGeneration current_;
    DimensionHomes homes_;
    RegionFactory factory_;
    Bookmarks bookmarks_;
    Reclaimer reclaimer_;
    Durability durability_;
    Checkpointer checkpointer_;
    StoreMemory memory_;
    StatisticsWriter statistics_;
    Waiters waiters_;
    Committer committer_;
    Relocator relocator_;
    Placement placement_;
    ProtoRegistry protos_;
    std::atomic<bool> loss_told_{false};
};

}  // namespace strata::producer_impl
