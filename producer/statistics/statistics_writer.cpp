// SPDX-License-Identifier: Apache-2.0
#include "producer/statistics/statistics_writer.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "ipc/format/atomic_word.hpp"
#include "ipc/format/statistics_words.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/stats_view.hpp"

namespace strata::producer_impl {

using ipc::store_relaxed;

static_assert(pool_count == ipc::stats_pools);

namespace {

// Tables are written at most this often, and never for more than 2 % of the time.
constexpr std::int64_t tables_interval_ns = 50'000'000;
constexpr std::int64_t tables_share = 50;
constexpr std::int64_t max_tables_cost_ns = 100'000'000;

MemoryStatistics write_memory_stats(Region& region, std::uint64_t offset, Generation generation,
                                    std::int64_t now_ns) {
    MemoryStatistics stats = region.statistics();
    stats.updated_generation = generation;
    stats.committed_bytes = region.committed_bytes();
    // Safe: inside the header page, which is committed with the file.
    auto& words = *region.at<ipc::MemoryStats>(offset);
    ipc::save_words(ipc::memory_words, stats, words);
    for (std::size_t i = 0; i < pool_count; ++i) {
        ipc::save_words(ipc::pool_words, stats.pools[i], words.pools[i]);
    }
    for (std::size_t i = 0; i < class_count; ++i) {
        ipc::save_words(ipc::size_class_words, stats.classes[i], words.classes[i]);
    }
    store_relaxed(words.updated_at_ns, static_cast<std::uint64_t>(now_ns));
    return stats;
}

}  // namespace

void StatisticsWriter::write_counters(std::int64_t now_ns) noexcept {
    ipc::ControlStats& words = control_.statistics();
    const ipc::RootRecord& root = current_.root();
    store_relaxed(words.updated_at_ns, static_cast<std::uint64_t>(now_ns));
    store_relaxed(words.generation, root.generation);
    store_relaxed(words.committed_bytes, budget_.used());
    store_relaxed(words.live_bytes, root.live_bytes);
    store_relaxed(words.layers, root.layers);
    // What a former producer left may have holes in it, which take no memory.
    const Reclaimer::Waiting waiting = reclaimer_.waiting();
    const std::uint64_t held = std::min(waiting.held_bytes, budget_.used());
    store_relaxed(words.limbo_unscanned_bytes,
                  std::min(waiting.unscanned_bytes, budget_.used() - held));
    store_relaxed(words.limbo_held_bytes, held);
    store_relaxed(words.commits, counters_.commits.get());
    store_relaxed(words.allocations, counters_.allocations.get());
    store_relaxed(words.deallocations, counters_.deallocations.get());
    store_relaxed(words.allocation_failures, counters_.allocation_failures.get());
}

void StatisticsWriter::write_all(std::int64_t now_ns) {
    write_counters(now_ns);
    ipc::ControlStats& words = control_.statistics();
    store_relaxed(words.started_at_ns, static_cast<std::uint64_t>(started_at_ns_));
    store_relaxed(words.memory_limit, budget_.limit());
    store_relaxed(words.warning_bytes, warning_bytes());
    const Reclaimer::Waiting waiting = reclaimer_.waiting();
    store_relaxed(words.history_bytes, waiting.history_bytes);
    store_relaxed(words.retired_file_bytes, waiting.file_bytes);
    store_relaxed(words.reclaims, reclaimer_.reclaims());
    store_relaxed(words.relocations, counters_.relocations.get());
    store_relaxed(words.dimensions, current_.root().dimensions);
    store_relaxed(words.recovered_blocks, recovered_blocks_);
    const std::uint64_t epoch = reclaimer_.epoch();
    const std::vector<ipc::PinHolder> holders =
        ipc::pin_holders(control_.lock_description(), {0, epoch}, max_pin_questions).holders;
    peak_readers_ = std::max<std::uint64_t>(peak_readers_, holders.size());
    reclaimer_.note_oldest_pin(
        holders.empty() || holders.front().epoch == epoch ? 0 : holders.front().epoch, now_ns);
    store_relaxed(words.peak_readers, peak_readers_);
    const Generation generation = current_.root().generation;
    std::array<std::uint64_t, budgeted_pools> used_in_pools{};
    const auto write_table = [&](Region& region, std::uint64_t offset) {
        const MemoryStatistics stats = write_memory_stats(region, offset, generation, now_ns);
        for (std::size_t pool = 0; pool < budgeted_pools; ++pool) {
            used_in_pools[pool] += stats.pools[pool].used_bytes;
        }
    };
    write_table(control_.region(), ipc::control_memory_offset);
    for (const auto& [serial, used] : current_.regions()) {
        write_table(*used.region, ipc::region_memory_offset);
    }
    for (std::size_t pool = 0; pool < budgeted_pools; ++pool) {
        store_relaxed(words.pool_budget_bytes[pool], pool_budget(pool));
        pool_used_[pool].store(used_in_pools[pool], std::memory_order_relaxed);
    }
    // The clock may have been set meanwhile.
    const std::int64_t cost =
        std::clamp<std::int64_t>(ipc::os::realtime_ns() - now_ns, 0, max_tables_cost_ns);
    next_tables_ns_ = now_ns + std::max(tables_interval_ns, tables_share * cost);
}

void StatisticsWriter::write_first_table(Region& region, std::int64_t now_ns) noexcept {
    try {
        write_memory_stats(region, ipc::region_memory_offset, current_.root().generation, now_ns);
    } catch (...) {  // out of memory: the next time, then
    }
}

// Nearly always the counters alone.
void StatisticsWriter::write(std::int64_t now_ns) noexcept {
    write_counters(now_ns);
    // A clock that was set back must not stop them.
    constexpr std::int64_t longest_ns = tables_interval_ns + tables_share * max_tables_cost_ns;
    if (now_ns >= next_tables_ns_ || now_ns < next_tables_ns_ - longest_ns) {
        try {
            write_all(now_ns);
        } catch (...) {  // out of memory: the old tables stay
            next_tables_ns_ = now_ns + tables_interval_ns;
        }
    }
}

void StatisticsWriter::count_recovered_blocks() noexcept {
    std::uint64_t blocks = control_.region().used_blocks();
    for (const auto& [serial, used] : current_.regions()) {
        blocks += used.region->used_blocks();
    }
    recovered_blocks_ = blocks + counters_.deallocations.get();
}

std::uint64_t StatisticsWriter::warning_bytes() const noexcept {
    return static_cast<std::uint64_t>(options_.warning_threshold *
                                      static_cast<double>(budget_.limit()));
}

std::uint64_t StatisticsWriter::pool_budget(std::size_t pool) const noexcept {
    // Rounded, so that 32 of 280 MiB are 32 MiB. Below 2^53: exact enough.
    return static_cast<std::uint64_t>(
        std::llround(options_.pool_shares[pool] * static_cast<double>(budget_.limit())));
}

void StatisticsWriter::check_pools() noexcept {
    for (std::size_t pool = 0; pool < budgeted_pools; ++pool) {
        const std::uint64_t used = pool_used_[pool].load(std::memory_order_relaxed);
        const std::uint64_t budget = pool_budget(pool);
        std::atomic<bool>& warned = pool_warned_[pool];
        if (budget == 0 || used <= budget) {
            if (warned.load(std::memory_order_relaxed)) {
                warned.store(false, std::memory_order_relaxed);
            }
        } else if (!warned.load(std::memory_order_relaxed) &&
                   !warned.exchange(true, std::memory_order_relaxed)) {
            options_.on_pool_warning({.block_bytes = pool_limits[pool],
                                      .used_bytes = used,
                                      .budget_bytes = budget,
                                      .memory_limit = budget_.limit()});
        }
    }
}

void StatisticsWriter::check_warning() noexcept {
    if (options_.on_pool_warning) {
        check_pools();
    }
    if (!options_.on_memory_warning) {
        return;
    }
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

StoreStatistics StatisticsWriter::read() {
    write_all(ipc::os::realtime_ns());
    StoreStatistics result;
    const ipc::RootRecord& root = current_.root();
    result.generation = root.generation;
    result.layers = root.layers;
    result.dimensions = root.dimensions;
    result.producer_pid = ipc::os::process_id();
    result.live_bytes = root.live_bytes;
    ipc::read_control_stats(control_.statistics(), result);
    result.control =
        ipc::read_memory_stats(*control_.region().at<ipc::MemoryStats>(ipc::control_memory_offset));
    result.epoch = reclaimer_.epoch();
    std::map<std::uint64_t, std::uint64_t> live_bytes;  // by serial
    result.dimension_list.reserve(current_.dimensions().size());
    for (const auto& [dimension, published] : current_.dimensions()) {
        const DimensionState& state = published.state;
        live_bytes[published.region->serial] += state.live_bytes;
        result.dimension_list.push_back({.dimension = dimension,
                                         .name = published.name,
                                         .serial = published.region->serial,
                                         .layers = state.layers,
                                         .live_bytes = state.live_bytes,
                                         .generation = state.generation});
    }
    std::sort(result.dimension_list.begin(), result.dimension_list.end(),
              [](const DimensionStatistics& a, const DimensionStatistics& b) {
                  return a.dimension < b.dimension;
              });
    for (const auto& [serial, used] : current_.regions()) {
        const Region& region = *used.region;
        result.regions.push_back({.serial = serial,
                                  .owner = region.owner,
                                  .dimensions = used.dimensions,
                                  .live_bytes = live_bytes[serial],
                                  .file_bytes = region.end(),
                                  .max_bytes = region.max_bytes(),
                                  .memory = ipc::read_memory_stats(
                                      *region.at<ipc::MemoryStats>(ipc::region_memory_offset))});
    }
    return result;
}

}  // namespace strata::producer_impl
