// SPDX-License-Identifier: Apache-2.0
#include "ipc/stats_view.hpp"

#include "ipc/format/atomic_word.hpp"
#include "ipc/format/statistics_words.hpp"
#include "ipc/mapping/mapping.hpp"
#include "ipc/os.hpp"

namespace strata::ipc {

std::chrono::system_clock::time_point time_point(std::uint64_t realtime_ns) {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            std::chrono::nanoseconds(static_cast<std::int64_t>(realtime_ns))));
}

void read_control_stats(const ControlStats& words, StoreStatistics& out) {
    out.updated_at = time_point(load_relaxed(words.updated_at_ns));
    out.producer_started_at = time_point(load_relaxed(words.started_at_ns));
    load_words(store_words, words, out);
    for (std::size_t i = 0; i < out.pool_budget_bytes.size(); ++i) {
        out.pool_budget_bytes[i] = load_relaxed(words.pool_budget_bytes[i]);
    }
    if (const std::uint64_t epoch = load_relaxed(words.oldest_pinned_epoch)) {
        out.oldest_pinned_epoch = epoch;
        const auto now = static_cast<std::uint64_t>(os::realtime_ns());
        const std::uint64_t since = load_relaxed(words.oldest_pinned_since_ns);
        out.oldest_pin_age = std::chrono::nanoseconds(now > since ? now - since : 0);
    }
}

MemoryStatistics read_memory_stats(const MemoryStats& words) {
    MemoryStatistics out;
    out.updated_at = time_point(load_relaxed(words.updated_at_ns));
    load_words(memory_words, words, out);
    static_assert(std::tuple_size_v<decltype(out.pools)> == stats_pools);
    for (std::size_t i = 0; i < stats_pools; ++i) {
        load_words(pool_words, words.pools[i], out.pools[i]);
    }
    for (const MemoryStats::SizeClass& words_of_class : words.classes) {
        SizeClassStatistics one;
        load_words(size_class_words, words_of_class, one);
        if (one.block_bytes != 0) {
            out.classes.push_back(one);
        }
    }
    return out;
}

void read_region_stats(const StoreDirectory& store, RegionStatistics& region) {
    const auto file = os::open_read(store.directory.get(), region_file_name(region.serial));
    const auto status = file ? os::status(file.value.get()) : os::Result<os::FileStatus>{{}, 1};
    if (!status || status.value.size_bytes < header_bytes) {
        return;
    }
    const Mapping page(file.value, header_bytes, Access::read_only, "read statistics", store.path);
    // Safe: the header page is inside the file, and both structs inside the page.
    const auto& header = *reinterpret_cast<const RegionHeader*>(page.base());
    region.owner = header.shared != 0 ? std::nullopt : std::optional(header.dimension);
    region.file_bytes = status.value.size_bytes;
    region.max_bytes = header.max_bytes;
    region.memory = read_memory_stats(
        *reinterpret_cast<const MemoryStats*>(page.base() + region_memory_offset));
}

}  // namespace strata::ipc
