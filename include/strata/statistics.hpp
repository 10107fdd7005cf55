// SPDX-License-Identifier: Apache-2.0
// What a store is doing and where its memory is, readable by any process that may read the store,
// while the producer works, and also when it is gone.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/store.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

class Consumer;
class Producer;

/// One pool of a region: its blocks by size. The pools end at 4, 16, 64 and 256 KiB; the last one
/// has all larger blocks. Up to 8 KiB blocks lie in slabs of equal blocks, above they are runs of
/// pages. Free pages belong to no pool; any pool may take them.
struct PoolStatistics {
    std::uint64_t block_bytes = 0;      ///< largest block of this pool; 0: no bound
    std::uint64_t used_blocks = 0;      ///< blocks in use, retired ones that wait included
    std::uint64_t used_bytes = 0;       ///< that they take, rounded up to their class or to pages
    std::uint64_t requested_bytes = 0;  ///< that was asked for
    std::uint64_t slab_bytes = 0;       ///< slabs of this pool, with their free blocks
    std::uint64_t free_blocks = 0;      ///< free blocks in these slabs
    /// Blocks of `block_bytes` that the region's free pages have room for as they lie.
    std::uint64_t available_blocks = 0;

    /// Share of the used bytes that was not asked for.
    [[nodiscard]] double internal_fragmentation() const noexcept;
};

/// One size class of slabs.
struct SizeClassStatistics {
    std::uint64_t block_bytes = 0;
    std::uint64_t used_blocks = 0;
    std::uint64_t free_blocks = 0;
    std::uint64_t slabs = 0;
};

/// The memory of one file. Written by the producer every now and then: see `updated_at`.
struct MemoryStatistics {
    std::chrono::system_clock::time_point updated_at{};  ///< epoch: never, nothing below is known
    Generation updated_generation = 0;
    std::uint64_t managed_bytes = 0;    ///< of the file, without its first page
    std::uint64_t committed_bytes = 0;  ///< memory that it takes
    std::uint64_t hole_bytes = 0;       ///< given back to the system; no memory behind them
    std::uint64_t used_blocks = 0;
    std::uint64_t used_bytes = 0;
    std::uint64_t requested_bytes = 0;
    std::uint64_t slab_bytes = 0;  ///< in slabs, used or not
    std::uint64_t runs = 0;        ///< blocks that are runs of pages
    std::uint64_t run_bytes = 0;
    std::uint64_t free_runs = 0;  ///< stretches of free pages
    std::uint64_t free_bytes = 0;
    std::uint64_t largest_free_bytes = 0;
    std::array<PoolStatistics, 5> pools{};
    std::vector<SizeClassStatistics> classes{};

    /// Share of the used bytes that was not asked for: lost to rounding.
    [[nodiscard]] double internal_fragmentation() const noexcept;
    /// Share of the bytes in slabs that no block uses: bound to their size class until it is asked
    /// for again or the slab empties.
    [[nodiscard]] double slab_fragmentation() const noexcept;
    /// Share of the free pages that a request of the pool's block size cannot use, because they lie
    /// in stretches that are too short or at their ends (Gorman & Whitcroft, "Measuring the Impact
    /// of the Linux Memory Allocator on External Fragmentation", 2005: unusable free space index).
    [[nodiscard]] double external_fragmentation(std::size_t pool) const noexcept;
};

/// One dimension of the newest generation.
struct DimensionStatistics {
    Dimension dimension = 0;
    std::string name{};
    std::uint64_t serial = 0;  ///< of the region that it lies in
    std::uint64_t layers = 0;
    std::uint64_t live_bytes = 0;  ///< blocks that the newest generation uses, index included
    Generation generation = 0;     ///< that changed it last
};

/// One region file, region-SERIAL.mmap, that the newest generation uses.
struct RegionStatistics {
    std::uint64_t serial = 0;
    std::optional<Dimension>
        owner{};                   ///< the only dimension that may lie in it; none: it is shared
    std::uint64_t dimensions = 0;  ///< that lie in it
    std::uint64_t live_bytes = 0;  ///< of them
    std::uint64_t file_bytes = 0;  ///< its size
    std::uint64_t max_bytes = 0;   ///< that it can grow to
    MemoryStatistics memory{};
};

/// The whole store. Numbers are advisory: each was right when it was written, together they need
/// not be of one moment. Counters count from when the producer opened the store.
struct StoreStatistics {
    std::string name{};
    Generation generation = 0;
    std::uint64_t layers = 0;
    std::uint64_t dimensions = 0;
    std::int64_t producer_pid = 0;  ///< 0: there is none at the moment
    std::chrono::system_clock::time_point producer_started_at{};
    std::chrono::system_clock::time_point updated_at{};

    std::uint64_t memory_limit = 0;
    std::uint64_t committed_bytes = 0;  ///< memory of all files; never above the limit
    std::uint64_t warning_bytes = 0;    ///< ProducerOptions::warning_threshold, in bytes
    /// Soft budgets of the pools up to 256 KiB (ProducerOptions::pool_shares), in bytes; 0: none is
    /// known. More may be in use: see pool_over_budget.
    std::array<std::uint64_t, 4> pool_budget_bytes{};
    std::uint64_t live_bytes = 0;
    std::uint64_t limbo_unscanned_bytes = 0;  ///< retired, not examined yet
    std::uint64_t limbo_held_bytes = 0;       ///< retired, held back by readers
    std::uint64_t history_bytes = 0;          ///< kept for retained generations
    std::uint64_t retired_file_bytes = 0;  ///< files of removed dimensions that readers still need

    std::uint64_t commits = 0;
    /// Blocks in use when this producer took the store over, unreachable ones included. While no
    /// batch holds any: recovered_blocks + allocations - deallocations = used_blocks of all files,
    /// those of removed dimensions that readers still need included.
    std::uint64_t recovered_blocks = 0;
    std::uint64_t allocations = 0;    ///< blocks that commits have published since
    std::uint64_t deallocations = 0;  ///< blocks that were reclaimed since
    std::uint64_t allocation_failures = 0;
    std::uint64_t reclaims = 0;
    std::uint64_t relocations = 0;  ///< dimensions that moved on from slow readers

    std::uint64_t epoch = 0;
    std::uint64_t readers = 0;  ///< pins that are held now, as readers() lists them
    /// The most pins at any of the moments at which the producer looked (with its tables) or this
    /// was called. Readers that come and go in between, or while the producer is idle, are not
    /// seen; nor are all of very many, because the producer bounds its scan.
    std::uint64_t sampled_peak_readers = 0;
    std::optional<std::uint64_t> oldest_pinned_epoch{};
    /// How long ago the epoch advanced beyond the oldest pin; 0 if it did not.
    std::chrono::nanoseconds oldest_pin_age{0};

    MemoryStatistics control{};  ///< control.mmap: directory and root records
    std::vector<DimensionStatistics> dimension_list{};  ///< ascending by number
    std::vector<RegionStatistics> regions{};            ///< ascending by serial

    /// committed / limit.
    [[nodiscard]] double utilisation() const noexcept;
    /// Share of the memory in use (slabs and runs of all files) that holds nothing that was asked
    /// for.
    [[nodiscard]] double fragmentation_ratio() const noexcept;
    /// Blocks of the pool, counted as in PoolStatistics, that are in use in all files.
    [[nodiscard]] std::uint64_t pool_used_bytes(std::size_t pool) const noexcept;
    [[nodiscard]] bool pool_over_budget(std::size_t pool) const noexcept {
        return pool < pool_budget_bytes.size() && pool_budget_bytes[pool] != 0 &&
               pool_used_bytes(pool) > pool_budget_bytes[pool];
    }
    [[nodiscard]] bool above_warning() const noexcept {
        return warning_bytes != 0 && committed_bytes >= warning_bytes;
    }
};

/// Of an attached store. Takes a snapshot for the moment of the call; otherwise plain loads: nobody
/// is stopped or slowed. The tables of a file are as old as `MemoryStatistics::updated_at` says:
/// the producer writes them when it reclaims memory, and with commits, every 50 ms at most. About
/// 50 microseconds plus 10 for each region file and 0.1 for each dimension, and what counting the
/// readers takes (strata/readers.hpp). Throws what Consumer::snapshot throws, and store_replaced.
[[nodiscard]] StoreStatistics statistics(Consumer& consumer);
/// Of a store by name, regardless of its owner. The snapshot that this call takes is not among the
/// readers.
[[nodiscard]] StoreStatistics statistics(std::string_view name,
                                         const std::filesystem::path& base = default_base_path());
/// Of one's own store: all tables are brought up to date first. Waits for a commit under way.
[[nodiscard]] StoreStatistics statistics(const Producer& producer);

/// Writes everything above as JSON (one object; sizes in bytes, times as RFC 3339 in UTC). Names
/// are valid and harmless whatever they hold: see printable_json().
void dump_json(const StoreStatistics& statistics, std::ostream& out);
/// To a file, which appears complete or not at all (temporary file, synced, renamed). Throws
/// permission_denied, no_space, system.
void dump_json(const StoreStatistics& statistics, const std::filesystem::path& file);
/// A few lines of text for people, the first of them `Memory State Dump @ TIME`, the time of the
/// figures; names as printable() shows them.
[[nodiscard]] std::string summary(const StoreStatistics& statistics);

}  // namespace strata::inline STRATA_ABI_NAMESPACE
