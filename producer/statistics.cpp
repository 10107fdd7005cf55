// SPDX-License-Identifier: Apache-2.0
// What the producer tells about itself: a few words with every commit, the files' tables now and
// then. Relaxed stores throughout: single numbers that nothing depends on.
#include "strata/statistics.hpp"

#include <algorithm>

#include "ipc/atomic_word.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/stats_view.hpp"
#include "producer/store.hpp"

namespace strata::producer_impl {

using ipc::store_relaxed;

static_assert(pool_count == ipc::stats_pools && class_count <= ipc::stats_classes);

namespace {

// Tables are written at most this often, and never for more than 2 % of the time.
constexpr std::int64_t tables_interval_ns = 50'000'000;
constexpr std::int64_t tables_share = 50;
constexpr std::int64_t max_tables_cost_ns = 100'000'000;

void write_memory_stats(Region& region, std::uint64_t offset, Generation generation,
                        std::int64_t now_ns) {
    const AllocatorStats stats = region.stats();
    // Safe: inside the header page, which is committed with the file.
    auto& words = *region.at<ipc::MemoryStats>(offset);
    store_relaxed(words.generation, generation);
    store_relaxed(words.managed_bytes, stats.managed_bytes);
    store_relaxed(words.committed_bytes, region.committed_bytes());
    store_relaxed(words.hole_bytes, stats.hole_bytes);
    store_relaxed(words.used_blocks, stats.used_blocks);
    store_relaxed(words.used_bytes, stats.used_bytes);
    store_relaxed(words.requested_bytes, stats.requested_bytes);
    store_relaxed(words.slab_bytes, stats.slab_bytes);
    store_relaxed(words.runs, stats.runs);
    store_relaxed(words.run_bytes, stats.run_bytes);
    store_relaxed(words.free_runs, stats.free_runs);
    store_relaxed(words.free_bytes, stats.free_bytes);
    store_relaxed(words.largest_free_bytes, stats.largest_free_bytes);
    for (std::size_t i = 0; i < pool_count; ++i) {
        const PoolStats& pool = stats.pools[i];
        ipc::MemoryStats::Pool& to = words.pools[i];
        store_relaxed(to.block_bytes, pool_limits[i]);
        store_relaxed(to.used_blocks, pool.used_blocks);
        store_relaxed(to.used_bytes, pool.used_bytes);
        store_relaxed(to.requested_bytes, pool.requested_bytes);
        store_relaxed(to.slab_bytes, pool.slab_bytes);
        store_relaxed(to.free_blocks, pool.free_blocks);
        store_relaxed(to.available_blocks, pool.available_blocks);
    }
    for (std::size_t i = 0; i < class_count; ++i) {
        ipc::MemoryStats::SizeClass& to = words.classes[i];
        store_relaxed(to.block_bytes, stats.classes[i].block_bytes);
        store_relaxed(to.used_blocks, stats.classes[i].used_blocks);
        store_relaxed(to.free_blocks, stats.classes[i].free_blocks);
        store_relaxed(to.slabs, stats.classes[i].slabs);
    }
    store_relaxed(words.updated_at_ns, static_cast<std::uint64_t>(now_ns));
}

}  // namespace

ipc::ControlStats& Store::control_stats() noexcept {
    return *control_.at<ipc::ControlStats>(ipc::control_stats_offset);
}

void Store::publish_counters(std::int64_t now_ns) noexcept {
    ipc::ControlStats& words = control_stats();
    store_relaxed(words.updated_at_ns, static_cast<std::uint64_t>(now_ns));
    store_relaxed(words.generation, root_.generation);
    store_relaxed(words.committed_bytes, budget_.used());
    store_relaxed(words.live_bytes, root_.live_bytes);
    store_relaxed(words.layers, root_.layers);
    store_relaxed(words.limbo_fresh_bytes, limbo_.fresh_bytes());
    store_relaxed(words.limbo_parked_bytes, limbo_.parked_bytes());
    store_relaxed(words.commits, commits_.load(std::memory_order_relaxed));
    store_relaxed(words.allocations, allocations_.load(std::memory_order_relaxed));
    store_relaxed(words.deallocations, deallocations_.load(std::memory_order_relaxed));
    store_relaxed(words.allocation_failures, allocation_failures_.load(std::memory_order_relaxed));
}

void Store::publish_tables(std::int64_t now_ns) {
    publish_counters(now_ns);
    ipc::ControlStats& words = control_stats();
    store_relaxed(words.started_at_ns, static_cast<std::uint64_t>(started_at_ns_));
    store_relaxed(words.memory_limit, budget_.limit());
    store_relaxed(words.warning_bytes, warning_bytes());
    store_relaxed(words.history_bytes, history_bytes());
    store_relaxed(words.retired_file_bytes, retired_file_bytes());
    store_relaxed(words.reclaims, reclaims_);
    store_relaxed(words.relocations, relocations_);
    store_relaxed(words.dimensions, root_.dimensions);
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
    const std::vector<ipc::PinHolder> holders = ipc::pin_holders(control_.file().get(), epoch);
    peak_readers_ = std::max<std::uint64_t>(peak_readers_, ipc::count_processes(holders));
    note_oldest_pin(holders.empty() || holders.front().epoch == epoch ? 0 : holders.front().epoch,
                    now_ns);
    store_relaxed(words.peak_readers, peak_readers_);
    write_memory_stats(control_, ipc::control_memory_offset, root_.generation, now_ns);
    for (const auto& [dimension, region] : published_) {
        if (region) {
            write_memory_stats(*region, ipc::region_memory_offset, root_.generation, now_ns);
        }
    }
    // The clock may have been set meanwhile.
    const std::int64_t cost =
        std::clamp<std::int64_t>(ipc::os::realtime_ns() - now_ns, 0, max_tables_cost_ns);
    next_tables_ns_ = now_ns + std::max(tables_interval_ns, tables_share * cost);
}

// A dimension's first table comes with the dimension: the producer may be idle from then on.
void Store::publish_first_table(Region& region, std::int64_t now_ns) noexcept {
    try {
        write_memory_stats(region, ipc::region_memory_offset, root_.generation, now_ns);
    } catch (...) {  // out of memory: the next time, then
    }
}

// Called with every commit and every reclaim; nearly always two stores' worth of work.
void Store::publish_statistics(std::int64_t now_ns) noexcept {
    publish_counters(now_ns);
    // A clock that was set back must not stop them.
    constexpr std::int64_t longest_ns = tables_interval_ns + tables_share * max_tables_cost_ns;
    if (now_ns >= next_tables_ns_ || now_ns < next_tables_ns_ - longest_ns) {
        try {
            publish_tables(now_ns);
        } catch (...) {  // out of memory: the old tables stay
            next_tables_ns_ = now_ns + tables_interval_ns;
        }
    }
}

// Since when each pin is older than the current epoch. Called by each reclaim.
void Store::note_pins(std::span<const ipc::EpochRange> pinned, std::int64_t now_ns) {
    ++reclaims_;
    last_reclaim_ns_ = now_ns;
    std::erase_if(pins_since_, [&](const auto& entry) {
        return std::none_of(pinned.begin(), pinned.end(), [&](const ipc::EpochRange& range) {
            return range.first == entry.first;
        });
    });
    for (const ipc::EpochRange& range : pinned) {
        pins_since_.try_emplace(range.first,
                                PinNote{now_ns, std::chrono::steady_clock::now(), false});
    }
    note_oldest_pin(pinned.empty() ? 0 : pinned.front().first, now_ns);
    store_relaxed(control_stats().reclaims, reclaims_);
}

// 0: nobody pins an epoch that is over.
void Store::note_oldest_pin(std::uint64_t epoch, std::int64_t now_ns) noexcept {
    ipc::ControlStats& words = control_stats();
    const auto known = pins_since_.find(epoch);
    const std::int64_t since_ns = known != pins_since_.end() ? known->second.since_ns : now_ns;
    store_relaxed(words.oldest_pinned_epoch, epoch);
    store_relaxed(words.oldest_pinned_since_ns,
                  epoch == 0 ? 0 : static_cast<std::uint64_t>(since_ns));
}

std::uint64_t Store::history_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const HistoryEntry& entry : history_) {
        for (const Retired& block : entry.blocks) {
            bytes += block.bytes;
        }
    }
    return bytes;
}

std::uint64_t Store::retired_file_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const RetiredFile& file : retired_files_) {
        bytes += file.region ? file.region->committed_bytes() : file.bytes;
    }
    return bytes;
}

std::uint64_t Store::warning_bytes() const noexcept {
    return static_cast<std::uint64_t>(options_.warning_threshold *
                                      static_cast<double>(budget_.limit()));
}

// No lock is held. One call per crossing, from whichever thread notices.
void Store::check_warning() noexcept {
    const std::uint64_t used = budget_.used();
    const std::uint64_t threshold = warning_bytes();
    if (used < threshold) {
        if (warned_.load(std::memory_order_relaxed)) {
            warned_.store(false, std::memory_order_relaxed);
        }
    } else if (!warned_.load(std::memory_order_relaxed) &&
               !warned_.exchange(true, std::memory_order_relaxed)) {
        options_.on_memory_warning({.committed_bytes = used,
                                    .memory_limit = budget_.limit(),
                                    .threshold_bytes = threshold});
    }
}

void Store::deliver_notices() noexcept {
    if (options_.on_memory_warning) {
        check_warning();
    }
    if (slow_waiting_.load(std::memory_order_relaxed)) {
        std::vector<SlowReader> found;
        {
            const std::lock_guard lock(commit_mutex_);
            found.swap(slow_notices_);
            slow_waiting_.store(false, std::memory_order_relaxed);
        }
        for (const SlowReader& reader : found) {
            options_.slow_readers.on_slow_reader(reader);
        }
    }
}

StoreStatistics Store::statistics() {
    check_process("statistics");
    StoreStatistics result;
    const std::lock_guard lock(commit_mutex_);
    publish_tables(ipc::os::realtime_ns());
    result.name = directory_.name;
    result.generation = root_.generation;
    result.layers = root_.layers;
    result.dimensions = root_.dimensions;
    result.producer_pid = ipc::os::process_id();
    result.live_bytes = root_.live_bytes;
    ipc::read_control_stats(control_stats(), result);
    result.control =
        ipc::read_memory_stats(*control_.at<ipc::MemoryStats>(ipc::control_memory_offset));
    result.epoch = epoch_.load(std::memory_order_relaxed);
    result.readers = ipc::count_processes(ipc::pin_holders(control_.file().get(), result.epoch));
    for (const auto& [dimension, region] : published_) {
        if (region) {
            const Published& state = region->published;
            result.regions.push_back(
                {.dimension = dimension,
                 .name = state.name,
                 .serial = region->serial,
                 .layers = state.layers,
                 .live_bytes = state.live_bytes,
                 .file_bytes = region->end(),
                 .max_bytes = region->max_bytes(),
                 .generation = state.generation,
                 .memory = ipc::read_memory_stats(
                     *region->at<ipc::MemoryStats>(ipc::region_memory_offset))});
        }
    }
    return result;
}

}  // namespace strata::producer_impl
