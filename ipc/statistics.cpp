// SPDX-License-Identifier: Apache-2.0
#include "strata/statistics.hpp"

#include <algorithm>

namespace strata::inline STRATA_ABI_NAMESPACE {

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

std::uint64_t StoreStatistics::pool_used_bytes(std::size_t pool) const noexcept {
    if (pool >= control.pools.size()) {
        return 0;
    }
    std::uint64_t bytes = control.pools[pool].used_bytes;
    for (const RegionStatistics& region : regions) {
        bytes += region.memory.pools[pool].used_bytes;
    }
    return bytes;
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

}  // namespace strata::inline STRATA_ABI_NAMESPACE
