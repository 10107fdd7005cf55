// SPDX-License-Identifier: Apache-2.0
// The state dump: JSON through cereal, and a few lines of text.
#include <cerrno>
#include <cstdio>
#include <sstream>

#include <cereal/archives/json.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "ipc/failure.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/format/statistics_words.hpp"
#include "ipc/os.hpp"
#include "strata/printable.hpp"
#include "strata/statistics.hpp"
#include "strata/text_values.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {

using cereal::make_nvp;

// In milliseconds; empty for "never".
std::string time_text(std::chrono::system_clock::time_point time) {
    constexpr unsigned milliseconds = 3;
    return time == std::chrono::system_clock::time_point{} ? "" : rfc3339(time, milliseconds);
}

// cereal takes the element's name from the archive's next name; an array of objects has none.
template <class Archive, class Value>
void field(Archive& archive, const char* name, const Value& value) {
    archive(make_nvp(name, value));
}

// All numbers of a list under their names.
template <class Archive, class List, class Fields>
void fields(Archive& archive, const List& list, const Fields& of) {
    for (const auto& entry : list) {
        field(archive, entry.name, of.*entry.field);
    }
}

// "4K", "256K", "larger": how the pools are called.
std::string pool_name(std::uint64_t block_bytes) {
    return block_bytes == 0 ? "larger" : std::to_string(block_bytes >> 10) + "K";
}

std::string size_text(std::uint64_t bytes) {
    constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto value = static_cast<double>(bytes);
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < std::size(units); ++unit) {
        value /= 1024;
    }
    char text[32];
    std::snprintf(text, sizeof(text), unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

std::string percent(double share) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.1f %%", share * 100);
    return text;
}

}  // namespace

// Found by cereal through the arguments' namespace.

template <class Archive>
void save(Archive& archive, const SizeClassStatistics& s) {
    fields(archive, ipc::size_class_words, s);
}

template <class Archive>
void save(Archive& archive, const PoolStatistics& s) {
    field(archive, "name", pool_name(s.block_bytes));
    fields(archive, ipc::pool_words, s);
    field(archive, "internal_fragmentation", s.internal_fragmentation());
}

template <class Archive>
void save(Archive& archive, const MemoryStatistics& s) {
    field(archive, "updated_at", time_text(s.updated_at));
    fields(archive, ipc::memory_words, s);
    field(archive, "internal_fragmentation", s.internal_fragmentation());
    field(archive, "slab_fragmentation", s.slab_fragmentation());
    std::vector<double> external;
    for (std::size_t pool = 0; pool < s.pools.size(); ++pool) {
        external.push_back(s.external_fragmentation(pool));
    }
    field(archive, "external_fragmentation", external);  // in the order of the pools
    // cereal writes an array of fixed size as an object.
    field(archive, "pools", std::vector<PoolStatistics>(s.pools.begin(), s.pools.end()));
    field(archive, "classes", s.classes);
}

template <class Archive>
void save(Archive& archive, const DimensionStatistics& s) {
    field(archive, "dimension", s.dimension);
    field(archive, "name", s.name);
    field(archive, "serial", s.serial);
    field(archive, "layers", s.layers);
    field(archive, "live_bytes", s.live_bytes);
    field(archive, "generation", s.generation);
}

template <class Archive>
void save(Archive& archive, const RegionStatistics& s) {
    field(archive, "serial", s.serial);
    field(archive, "shared", !s.owner);
    if (s.owner) {
        field(archive, "dimension", *s.owner);
    }
    field(archive, "dimensions", s.dimensions);
    field(archive, "live_bytes", s.live_bytes);
    field(archive, "file_bytes", s.file_bytes);
    field(archive, "max_bytes", s.max_bytes);
    field(archive, "memory", s.memory);
}

/// One pool over all files, beside its budget.
struct PoolSum {
    std::uint64_t block_bytes;
    std::uint64_t used_bytes;
    std::uint64_t budget_bytes;
    bool over_budget;
};

std::vector<PoolSum> pool_sums(const StoreStatistics& s) {
    std::vector<PoolSum> sums;
    for (std::size_t pool = 0; pool < s.pool_budget_bytes.size(); ++pool) {
        sums.push_back({s.control.pools[pool].block_bytes, s.pool_used_bytes(pool),
                        s.pool_budget_bytes[pool], s.pool_over_budget(pool)});
    }
    return sums;
}

template <class Archive>
void save(Archive& archive, const PoolSum& s) {
    field(archive, "name", pool_name(s.block_bytes));
    field(archive, "pool_used_bytes", s.used_bytes);
    field(archive, "pool_budget_bytes", s.budget_bytes);
    field(archive, "over_budget", s.over_budget);
}

template <class Archive>
void save(Archive& archive, const StoreStatistics& s) {
    field(archive, "name", s.name);
    field(archive, "generation", s.generation);
    field(archive, "layers", s.layers);
    field(archive, "dimensions", s.dimensions);
    // A string in cereal's eyes if it were `long long`: 64-bit pids do not exist.
    field(archive, "producer_pid", static_cast<std::int32_t>(s.producer_pid));
    field(archive, "producer_started_at", time_text(s.producer_started_at));
    field(archive, "updated_at", time_text(s.updated_at));
    fields(archive, ipc::store_words, s);
    field(archive, "pool_budgets", pool_sums(s));
    field(archive, "live_bytes", s.live_bytes);
    field(archive, "utilisation", s.utilisation());
    field(archive, "above_warning", s.above_warning());
    field(archive, "epoch", s.epoch);
    field(archive, "readers", s.readers);
    field(archive, "oldest_pinned_epoch", s.oldest_pinned_epoch.value_or(0));  // 0: none
    field(archive, "oldest_pin_age_seconds",
          std::chrono::duration<double>(s.oldest_pin_age).count());
    field(archive, "fragmentation_ratio", s.fragmentation_ratio());
    field(archive, "control", s.control);
    field(archive, "dimension_list", s.dimension_list);
    field(archive, "regions", s.regions);
}

void dump_json(const StoreStatistics& statistics, std::ostream& out) {
    std::ostringstream document;
    {
        cereal::JSONOutputArchive archive(document);
        save(archive, statistics);
    }  // its destructor closes the object
    out << printable_json(document.view()) << '\n';
}

void dump_json(const StoreStatistics& statistics, const std::filesystem::path& file) {
    std::ostringstream text;
    dump_json(statistics, text);
    const std::string operation = ipc::operation_on("dump statistics of", statistics.name);
    if (const int error = ipc::os::replace_file(file.string(), text.str(), ipc::file_mode)) {
        ipc::fail_errno(error, operation, file.string(), "cannot write the dump");
    }
}

std::string summary(const StoreStatistics& s) {
    std::ostringstream out;
    const std::string time = time_text(s.updated_at);
    out << "Memory State Dump @ " << (time.empty() ? "an unknown time" : time) << '\n'
        << printable(s.name) << ": generation " << s.generation << ", " << s.layers << " layers in "
        << s.dimensions << " dimensions\n"
        << "memory: " << size_text(s.committed_bytes) << " of " << size_text(s.memory_limit) << " ("
        << percent(s.utilisation()) << (s.above_warning() ? ", above the warning threshold" : "")
        << "), live " << size_text(s.live_bytes) << ", waiting "
        << size_text(s.limbo_unscanned_bytes + s.limbo_held_bytes) << " ("
        << size_text(s.limbo_held_bytes) << " held back by readers), fragmentation "
        << percent(s.fragmentation_ratio()) << '\n';
    out << "pools:";
    const char* separator = " ";
    for (const PoolSum& pool : pool_sums(s)) {
        out << separator << pool_name(pool.block_bytes) << ' ' << size_text(pool.used_bytes)
            << " of " << size_text(pool.budget_bytes);
        separator = ", ";
    }
    out << '\n';
    for (const PoolSum& pool : pool_sums(s)) {
        if (pool.over_budget) {
            out << "warning: blocks of up to " << size_text(pool.block_bytes) << " take "
                << size_text(pool.used_bytes) << ", more than their budget of "
                << size_text(pool.budget_bytes) << '\n';
        }
    }
    out << "counts: " << s.commits << " commits, " << s.recovered_blocks << " blocks taken over, "
        << s.allocations << " allocations, " << s.deallocations << " deallocations, "
        << s.allocation_failures << " failures, " << s.reclaims << " reclaims\n"
        << "readers: " << s.readers << " now, at most " << s.sampled_peak_readers
        << " at any look, epoch " << s.epoch;
    if (s.oldest_pinned_epoch) {
        out << ", oldest pin " << *s.oldest_pinned_epoch << " ("
            << std::chrono::duration_cast<std::chrono::milliseconds>(s.oldest_pin_age).count()
            << " ms)";
    }
    out << '\n';
    for (const DimensionStatistics& dimension : s.dimension_list) {
        out << "  " << dimension.dimension << ' ' << printable(dimension.name) << ": "
            << dimension.layers << " layers, live " << size_text(dimension.live_bytes)
            << ", region " << dimension.serial << '\n';
    }
    for (const RegionStatistics& region : s.regions) {
        out << "  region " << region.serial << ": " << region.dimensions << " dimensions, live "
            << size_text(region.live_bytes) << ", file " << size_text(region.memory.committed_bytes)
            << ", slabs " << percent(region.memory.slab_fragmentation()) << " free, rounding "
            << percent(region.memory.internal_fragmentation()) << '\n';
    }
    return out.str();
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
