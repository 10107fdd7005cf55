// SPDX-License-Identifier: Apache-2.0
#include "ipc/stats_view.hpp"

#include <algorithm>

#include "ipc/atomic_word.hpp"
#include "ipc/mapping.hpp"
#include "ipc/os.hpp"

namespace strata {

namespace {

double share(std::uint64_t part, std::uint64_t whole) noexcept {
    // Words of different moments may contradict each other: never outside [0, 1].
    return whole == 0 ? 0.0
                      : static_cast<double>(std::min(part, whole)) / static_cast<double>(whole);
}

std::uint64_t less(std::uint64_t a, std::uint64_t b) noexcept { return a > b ? a - b : 0; }

}  // namespace

double PoolStatistics::internal_fragmentation() const noexcept {
    return share(less(used_bytes, requested_bytes), used_bytes);
}

double MemoryStatistics::internal_fragmentation() const noexcept {
    return share(less(used_bytes, requested_bytes), used_bytes);
}

double MemoryStatistics::slab_fragmentation() const noexcept {
    return share(less(slab_bytes, less(used_bytes, run_bytes)), slab_bytes);
}

double MemoryStatistics::external_fragmentation(std::size_t pool) const noexcept {
    if (pool >= pools.size() || pools[pool].block_bytes == 0) {
        return share(less(free_bytes, largest_free_bytes), free_bytes);
    }
    return share(less(free_bytes, pools[pool].available_blocks * pools[pool].block_bytes),
                 free_bytes);
}

double StoreStatistics::utilisation() const noexcept {
    return share(committed_bytes, memory_limit);
}

double StoreStatistics::fragmentation_ratio() const noexcept {
    std::uint64_t taken = control.slab_bytes + control.run_bytes;
    std::uint64_t requested = control.requested_bytes;
    for (const RegionStatistics& region : regions) {
        taken += region.memory.slab_bytes + region.memory.run_bytes;
        requested += region.memory.requested_bytes;
    }
    return share(less(taken, requested), taken);
}

namespace ipc {

std::chrono::system_clock::time_point time_point(std::uint64_t realtime_ns) {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            std::chrono::nanoseconds(static_cast<std::int64_t>(realtime_ns))));
}

void read_control_stats(const ControlStats& words, StoreStatistics& out) {
    out.updated_at = time_point(load_relaxed(words.updated_at_ns));
    out.producer_started_at = time_point(load_relaxed(words.started_at_ns));
    out.committed_bytes = load_relaxed(words.committed_bytes);
    out.limbo_fresh_bytes = load_relaxed(words.limbo_fresh_bytes);
    out.limbo_parked_bytes = load_relaxed(words.limbo_parked_bytes);
    out.commits = load_relaxed(words.commits);
    out.allocations = load_relaxed(words.allocations);
    out.deallocations = load_relaxed(words.deallocations);
    out.allocation_failures = load_relaxed(words.allocation_failures);
    out.memory_limit = load_relaxed(words.memory_limit);
    out.warning_bytes = load_relaxed(words.warning_bytes);
    out.history_bytes = load_relaxed(words.history_bytes);
    out.retired_file_bytes = load_relaxed(words.retired_file_bytes);
    out.reclaims = load_relaxed(words.reclaims);
    out.relocations = load_relaxed(words.relocations);
    out.peak_readers = load_relaxed(words.peak_readers);
    if (const std::uint64_t epoch = load_relaxed(words.oldest_pinned_epoch)) {
        out.oldest_pinned_epoch = epoch;
        out.oldest_pin_age =
            std::chrono::nanoseconds(less(static_cast<std::uint64_t>(os::realtime_ns()),
                                          load_relaxed(words.oldest_pinned_since_ns)));
    }
}

MemoryStatistics read_memory_stats(const MemoryStats& words) {
    MemoryStatistics out;
    out.updated_at = time_point(load_relaxed(words.updated_at_ns));
    out.updated_generation = load_relaxed(words.generation);
    out.managed_bytes = load_relaxed(words.managed_bytes);
    out.committed_bytes = load_relaxed(words.committed_bytes);
    out.hole_bytes = load_relaxed(words.hole_bytes);
    out.used_blocks = load_relaxed(words.used_blocks);
    out.used_bytes = load_relaxed(words.used_bytes);
    out.requested_bytes = load_relaxed(words.requested_bytes);
    out.slab_bytes = load_relaxed(words.slab_bytes);
    out.runs = load_relaxed(words.runs);
    out.run_bytes = load_relaxed(words.run_bytes);
    out.free_runs = load_relaxed(words.free_runs);
    out.free_bytes = load_relaxed(words.free_bytes);
    out.largest_free_bytes = load_relaxed(words.largest_free_bytes);
    static_assert(std::tuple_size_v<decltype(out.pools)> == stats_pools);
    for (std::size_t i = 0; i < stats_pools; ++i) {
        const MemoryStats::Pool& pool = words.pools[i];
        out.pools[i] = {.block_bytes = load_relaxed(pool.block_bytes),
                        .used_blocks = load_relaxed(pool.used_blocks),
                        .used_bytes = load_relaxed(pool.used_bytes),
                        .requested_bytes = load_relaxed(pool.requested_bytes),
                        .slab_bytes = load_relaxed(pool.slab_bytes),
                        .free_blocks = load_relaxed(pool.free_blocks),
                        .available_blocks = load_relaxed(pool.available_blocks)};
    }
    for (const MemoryStats::SizeClass& words_of_class : words.classes) {
        const SizeClassStatistics one{.block_bytes = load_relaxed(words_of_class.block_bytes),
                                      .used_blocks = load_relaxed(words_of_class.used_blocks),
                                      .free_blocks = load_relaxed(words_of_class.free_blocks),
                                      .slabs = load_relaxed(words_of_class.slabs)};
        if (one.block_bytes != 0) {
            out.classes.push_back(one);
        }
    }
    return out;
}

void read_region_stats(const StoreDirectory& store, RegionStatistics& region) {
    const auto file =
        os::open_read(store.directory.get(), region_file_name(region.dimension, region.serial));
    const auto status = file ? os::status(file.value.get()) : os::Result<os::FileStatus>{{}, 1};
    if (!status || status.value.size_bytes < header_bytes) {
        return;
    }
    const Mapping page(file.value.get(), header_bytes, Access::read_only, "read statistics",
                       store.path);
    // Safe: the header page is inside the file, and both structs inside the page.
    region.max_bytes = reinterpret_cast<const RegionHeader*>(page.base())->max_bytes;
    region.memory = read_memory_stats(
        *reinterpret_cast<const MemoryStats*>(page.base() + region_memory_offset));
}

}  // namespace ipc
}  // namespace strata
