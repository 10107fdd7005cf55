// SPDX-License-Identifier: Apache-2.0
// What the producer tells about itself in the files' headers: a few words with every commit, the
// files' tables now and then. Relaxed stores throughout: single numbers that nothing depends on.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "ipc/format/layout.hpp"
#include "ipc/os.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/memory/memory_budget.hpp"
#include "producer/reclaim/reclaimer.hpp"
#include "producer/statistics/counters.hpp"
#include "strata/producer.hpp"
#include "strata/statistics.hpp"

namespace strata::producer_impl {

class StatisticsWriter {
public:
    /// All outlive this object.
    StatisticsWriter(const ProducerOptions& options, ControlRegion& control,
                     const CurrentGeneration& current, Reclaimer& reclaimer,
                     const MemoryBudget& budget, const Counters& counters) noexcept
        : options_(options),
          control_(control),
          current_(current),
          reclaimer_(reclaimer),
          budget_(budget),
          counters_(counters) {}

    /// Two cache lines of counters.
    void write_counters(std::int64_t now_ns) noexcept STRATA_REQUIRES(commit_role);
    /// The counters, and everything else when it is time for that. Called with every commit.
    void write(std::int64_t now_ns) noexcept STRATA_REQUIRES(commit_role);
    /// Everything. Throws std::bad_alloc.
    void write_all(std::int64_t now_ns) STRATA_REQUIRES(commit_role);
    /// A file's first table comes with it: the producer may be idle from then on.
    void write_first_table(Region& region, std::int64_t now_ns) noexcept
        STRATA_REQUIRES(commit_role);

    /// What this producer did not allocate and may free: called when it has taken the store over.
    void count_recovered_blocks() noexcept STRATA_REQUIRES(commit_role);
    /// Brings everything up to date and reads it; all but the store's name and its readers.
    StoreStatistics read() STRATA_REQUIRES(commit_role);

    /// Calls back once per crossing of the warning threshold, and of a pool's budget as of the last
    /// tables. No lock is held; any thread.
    void check_warning() noexcept STRATA_EXCLUDES(commit_role);

private:
    static constexpr std::size_t budgeted_pools = ipc::stats_pools - 1;  // those with a bound

    std::uint64_t warning_bytes() const noexcept;
    std::uint64_t pool_budget(std::size_t pool) const noexcept;
    void check_pools() noexcept;

    const ProducerOptions& options_;
    ControlRegion& control_;
    const CurrentGeneration& current_;
    Reclaimer& reclaimer_;
    const MemoryBudget& budget_;
    const Counters& counters_;
    const std::int64_t started_at_ns_ = ipc::os::realtime_ns();
    std::int64_t next_tables_ns_ STRATA_GUARDED_BY(commit_role) = 0;
    std::uint64_t peak_readers_ STRATA_GUARDED_BY(commit_role) = 0;
    std::uint64_t recovered_blocks_ STRATA_GUARDED_BY(commit_role) = 0;
    std::atomic<bool> warned_{false};
    // Of all files together. Written with the tables, read when looking for a warning: relaxed, a
    // number that may be a moment old.
    std::array<std::atomic<std::uint64_t>, budgeted_pools> pool_used_{};
    std::array<std::atomic<bool>, budgeted_pools> pool_warned_{};
};

}  // namespace strata::producer_impl
