// SPDX-License-Identifier: Apache-2.0
// The producer's end of a store: everything that outlives a single batch.
//
// Locks, in this order: commit_mutex_ (publishing, reclaiming, the dimensions' published state),
// then regions_mutex_ (which region a dimension's puts go to), then a region's own (its allocator).
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "ipc/control_file.hpp"
#include "ipc/fork_hooks.hpp"
#include "ipc/store_files.hpp"
#include "producer/index_writer.hpp"
#include "producer/limbo.hpp"
#include "producer/memory_budget.hpp"
#include "producer/pin_waiter.hpp"
#include "producer/producer_lock.hpp"
#include "producer/proto_registry.hpp"
#include "producer/region.hpp"
#include "producer/waiters.hpp"
#include "strata/error.hpp"
#include "strata/producer.hpp"
#include "strata/statistics.hpp"

namespace strata::producer_impl {

class BatchState;

struct RegionSizes {
    std::uint64_t initial_bytes;
    std::uint64_t max_bytes;
};

/// A region file that no generation reaches any more, still there for old snapshots.
struct RetiredFile {
    std::shared_ptr<Region> region;  // null: a leftover of an earlier producer
    std::string name;
    std::uint64_t bytes = 0;  // of a leftover
    std::uint64_t birth = 0;
    std::uint64_t tag = 0;
};

class Store final : private ipc::ForkHook {
public:
    /// Takes over an existing store; `lock` is held. Rebuilds the allocators from the root.
    /// `control`: the writable control file, if it is open already (a new store's).
    Store(ipc::StoreDirectory directory, ProducerLock lock, const ProducerOptions& options,
          ipc::FileDescriptor control = {});
    ~Store();

    const std::string& name() const noexcept { return directory_.name; }
    const std::filesystem::path& path() const noexcept { return path_; }
    MemoryBudget& budget() noexcept { return budget_; }
    const ipc::ControlIdentity& identity() const noexcept { return control_file_.identity(); }

    Generation generation() const noexcept { return generation_.load(std::memory_order_acquire); }

    Batch make_batch();
    ProtoRegistry& protos() noexcept { return protos_; }

    // For batches.
    /// Checked sizes of a new region: 0 in the options means the store's.
    RegionSizes sizes_of(const DimensionOptions& options, std::string_view operation) const;
    /// The region that puts into `dimension` go to, made if need be (not published yet).
    std::shared_ptr<Region> region_for(Dimension dimension, const DimensionOptions& options = {});
    /// A region of its own, for a batch that removes the dimension before it puts into it.
    std::shared_ptr<Region> new_region(Dimension dimension, const DimensionOptions& options = {},
                                       bool mutex_held = false);
    /// Room for a block; reclaims and trims before giving up. Throws Error. Offset of the
    /// allocation; 0: the region's dimension has moved on to another region, ask for room there.
    std::uint64_t allocate(Region& region, std::uint64_t bytes, std::uint64_t alignment,
                           std::string_view operation);
    /// Copies a layer's block to another region, without making room. Offset of its header, or 0.
    std::uint64_t copy_layer(const Region& from, std::uint64_t header, Region& to);
    /// The region of a published dimension, or null. Commit mutex held.
    std::shared_ptr<Region> published_region(Dimension dimension) const {
        const auto found = published_.find(dimension);
        return found != published_.end() ? found->second : nullptr;
    }
    /// Of a block that was never published.
    void free_block(Region& region, std::uint64_t offset) noexcept;
    Generation commit(BatchState& batch);
    /// Throws Error{wrong_process} in a forked child.
    void check_process(std::string_view operation) const;
    bool forked() const noexcept { return forked_.load(std::memory_order_relaxed); }

    void set_memory_limit(std::uint64_t bytes);
    ProducerStats stats() const;
    StoreStatistics statistics();
    std::uint64_t reclaim();
    std::uint64_t trim();

private:
    struct Commit;  // one commit under way: commit.hpp
    friend struct Commit;
    struct HistoryEntry {
        Generation generation;  // the last one that reaches the blocks
        std::vector<Retired> blocks;
        std::vector<RetiredFile> files;
    };

    std::string operation(std::string_view what) const {
        return ipc::operation_on(what, directory_.name);
    }
    Generation commit_locked(BatchState& batch);
    /// Tries hard to make room; mutex held. True if anything became free.
    bool make_room(std::uint64_t bytes);
    [[noreturn]] void fail_allocation(const Region& region, const Region::Allocation& refusal,
                                      std::uint64_t bytes, std::string_view operation) const;
    /// Adds who holds memory back to an error that says there is too little.
    void name_holders(Error::Parts& parts) const;
    std::uint64_t reclaim_locked();
    std::uint64_t trim_locked(std::uint64_t min_bytes);
    void evict_history(Generation oldest) noexcept;
    std::uint64_t free_files(std::uint64_t last, std::span<const ipc::EpochRange> pinned);
    void remove_retired(RetiredFile& file);

    /// Makes `bytes` the limit, making room if need be. Throws limit_exceeded.
    void fit_limit(std::uint64_t bytes, std::string_view what, std::string_view hint);

    // Restart: recover.cpp.
    void recover();
    void recover_dimension(const ipc::DimensionRecord& record, std::uint64_t record_offset);
    void retire_leftover_files();
    void retire_unreachable(Region& region);

    // Slow readers: relocate.cpp. Commit mutex held.
    bool relocate(const std::shared_ptr<Region>& old);
    bool move_on(const std::string& wanted);
    void find_slow_readers(std::span<const ipc::EpochRange> pinned);

    // Statistics: statistics.cpp. Commit mutex held, but for the warning.
    ipc::ControlStats& control_stats() noexcept;
    void publish_counters(std::int64_t now_ns) noexcept;
    void check_name(std::int64_t now_ns);
    void publish_tables(std::int64_t now_ns);
    void publish_first_table(Region& region, std::int64_t now_ns) noexcept;
    void publish_statistics(std::int64_t now_ns) noexcept;
    void note_pins(std::span<const ipc::EpochRange> pinned, std::int64_t now_ns);
    void note_oldest_pin(std::uint64_t epoch, std::int64_t now_ns) noexcept;
    std::uint64_t history_bytes() const noexcept;
    std::uint64_t retired_file_bytes() const noexcept;
    std::uint64_t warning_bytes() const noexcept;
    void check_warning() noexcept;

    /// Calls back what there is to tell when it goes: declared before a lock is taken, so that the
    /// user's functions are called without any.
    class Notices {
    public:
        explicit Notices(Store& store) noexcept : store_(store) {}
        Notices(const Notices&) = delete;
        Notices& operator=(const Notices&) = delete;
        ~Notices() { store_.deliver_notices(); }

    private:
        Store& store_;
    };
    void deliver_notices() noexcept;

    void child_after_fork() noexcept override;

    ipc::StoreDirectory directory_;
    const std::filesystem::path path_;
    ProducerLock lock_;
    const ProducerOptions options_;
    const std::uint32_t retain_;
    MemoryBudget budget_;
    ipc::ControlFile control_file_;
    Region control_;
    std::atomic<bool> forked_{false};

    mutable std::mutex commit_mutex_;
    std::atomic<Generation> generation_{0};
    std::atomic<std::uint64_t> epoch_{0};
    ipc::RootRecord root_{};
    std::uint64_t root_offset_ = 0;
    std::map<Dimension, std::shared_ptr<Region>> published_;
    Generation first_retained_ = 0;  // history starts anew with each producer
    std::deque<HistoryEntry> history_;
    Limbo limbo_;
    std::vector<RetiredFile> retired_files_;
    std::vector<ipc::EpochRange> last_pins_;
    std::uint64_t parked_at_last_wake_ = 0;
    CommitTrail trail_;  // these two are reused by every commit
    std::vector<IndexChange> scratch_;

    std::mutex regions_mutex_;
    std::unordered_map<Dimension, std::weak_ptr<Region>> current_regions_;
    std::atomic<std::uint64_t> next_serial_{1};

    struct PinNote {
        std::int64_t since_ns;                        // when the epoch moved on from it, for people
        std::chrono::steady_clock::time_point since;  // the same, for measuring
        bool reported;
    };
    const std::int64_t started_at_ns_ = ipc::os::realtime_ns();
    std::int64_t next_tables_ns_ = 0;
    std::uint64_t reclaims_ = 0;
    std::uint64_t relocations_ = 0;
    std::uint64_t peak_readers_ = 0;
    std::map<std::uint64_t, PinNote> pins_since_;  // by epoch
    std::int64_t last_reclaim_ns_ = 0;
    std::int64_t last_name_check_ns_ = 0;
    std::vector<SlowReader> slow_notices_;  // found, not yet told
    std::atomic<bool> slow_waiting_{false};
    PinWaiter pin_waiter_;
    Waiters waiters_;
    std::atomic<bool> warned_{false};

    ProtoRegistry protos_;

    std::atomic<std::uint64_t> commits_{0};
    std::atomic<std::uint64_t> allocations_{0};
    std::atomic<std::uint64_t> deallocations_{0};
    std::atomic<std::uint64_t> allocation_failures_{0};
};

}  // namespace strata::producer_impl
