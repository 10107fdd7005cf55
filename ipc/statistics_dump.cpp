// SPDX-License-Identifier: Apache-2.0
// The state dump: JSON through cereal, and a few lines of text.
#include <cerrno>
#include <cstdio>
#include <ctime>
#include <sstream>

#include <cereal/archives/json.hpp>
#include <cereal/types/string.hpp>
#include <cereal/types/vector.hpp>

#include "ipc/failure.hpp"
#include "ipc/os.hpp"
#include "ipc/store_files.hpp"
#include "strata/statistics.hpp"

namespace strata {

namespace {

using cereal::make_nvp;

// RFC 3339, UTC, milliseconds; empty for "never".
std::string rfc3339(std::chrono::system_clock::time_point time) {
    if (time == std::chrono::system_clock::time_point{}) {
        return {};
    }
    const auto ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
    const std::time_t seconds = ms / 1000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    char text[64];
    const std::size_t length = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
    std::snprintf(text + length, sizeof(text) - length, ".%03dZ", static_cast<int>(ms % 1000));
    return text;
}

// cereal takes the element's name from the archive's next name; an array of objects has none.
template <class Archive, class Value>
void field(Archive& archive, const char* name, const Value& value) {
    archive(make_nvp(name, value));
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
    field(archive, "block_bytes", s.block_bytes);
    field(archive, "used_blocks", s.used_blocks);
    field(archive, "free_blocks", s.free_blocks);
    field(archive, "slabs", s.slabs);
}

template <class Archive>
void save(Archive& archive, const PoolStatistics& s) {
    field(archive, "name", pool_name(s.block_bytes));
    field(archive, "block_bytes", s.block_bytes);
    field(archive, "used_blocks", s.used_blocks);
    field(archive, "used_bytes", s.used_bytes);
    field(archive, "requested_bytes", s.requested_bytes);
    field(archive, "slab_bytes", s.slab_bytes);
    field(archive, "free_blocks", s.free_blocks);
    field(archive, "available_blocks", s.available_blocks);
    field(archive, "internal_fragmentation", s.internal_fragmentation());
}

template <class Archive>
void save(Archive& archive, const MemoryStatistics& s) {
    field(archive, "updated_at", rfc3339(s.updated_at));
    field(archive, "updated_generation", s.updated_generation);
    field(archive, "managed_bytes", s.managed_bytes);
    field(archive, "committed_bytes", s.committed_bytes);
    field(archive, "hole_bytes", s.hole_bytes);
    field(archive, "used_blocks", s.used_blocks);
    field(archive, "used_bytes", s.used_bytes);
    field(archive, "requested_bytes", s.requested_bytes);
    field(archive, "slab_bytes", s.slab_bytes);
    field(archive, "runs", s.runs);
    field(archive, "run_bytes", s.run_bytes);
    field(archive, "free_runs", s.free_runs);
    field(archive, "free_bytes", s.free_bytes);
    field(archive, "largest_free_bytes", s.largest_free_bytes);
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
void save(Archive& archive, const RegionStatistics& s) {
    field(archive, "dimension", s.dimension);
    field(archive, "name", s.name);
    field(archive, "serial", s.serial);
    field(archive, "layers", s.layers);
    field(archive, "live_bytes", s.live_bytes);
    field(archive, "file_bytes", s.file_bytes);
    field(archive, "max_bytes", s.max_bytes);
    field(archive, "generation", s.generation);
    field(archive, "memory", s.memory);
}

template <class Archive>
void save(Archive& archive, const StoreStatistics& s) {
    field(archive, "name", s.name);
    field(archive, "generation", s.generation);
    field(archive, "layers", s.layers);
    field(archive, "dimensions", s.dimensions);
    // A string in cereal's eyes if it were `long long`: 64-bit pids do not exist.
    field(archive, "producer_pid", static_cast<std::int32_t>(s.producer_pid));
    field(archive, "producer_started_at", rfc3339(s.producer_started_at));
    field(archive, "updated_at", rfc3339(s.updated_at));
    field(archive, "memory_limit", s.memory_limit);
    field(archive, "committed_bytes", s.committed_bytes);
    field(archive, "utilisation", s.utilisation());
    field(archive, "warning_bytes", s.warning_bytes);
    field(archive, "above_warning", s.above_warning());
    field(archive, "live_bytes", s.live_bytes);
    field(archive, "limbo_fresh_bytes", s.limbo_fresh_bytes);
    field(archive, "limbo_parked_bytes", s.limbo_parked_bytes);
    field(archive, "history_bytes", s.history_bytes);
    field(archive, "retired_file_bytes", s.retired_file_bytes);
    field(archive, "commits", s.commits);
    field(archive, "allocations", s.allocations);
    field(archive, "deallocations", s.deallocations);
    field(archive, "allocation_failures", s.allocation_failures);
    field(archive, "reclaims", s.reclaims);
    field(archive, "relocations", s.relocations);
    field(archive, "epoch", s.epoch);
    field(archive, "readers", s.readers);
    field(archive, "peak_readers", s.peak_readers);
    field(archive, "oldest_pinned_epoch", s.oldest_pinned_epoch.value_or(0));  // 0: none
    field(archive, "oldest_pin_age_seconds",
          std::chrono::duration<double>(s.oldest_pin_age).count());
    field(archive, "fragmentation_ratio", s.fragmentation_ratio());
    field(archive, "control", s.control);
    field(archive, "regions", s.regions);
}

void dump_json(const StoreStatistics& statistics, std::ostream& out) {
    {
        cereal::JSONOutputArchive archive(out);
        save(archive, statistics);
    }  // its destructor closes the object
    out << '\n';
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
    out << s.name << ": generation " << s.generation << ", " << s.layers << " layers in "
        << s.dimensions << " dimensions\n"
        << "memory: " << size_text(s.committed_bytes) << " of " << size_text(s.memory_limit) << " ("
        << percent(s.utilisation()) << (s.above_warning() ? ", above the warning threshold" : "")
        << "), live " << size_text(s.live_bytes) << ", waiting "
        << size_text(s.limbo_fresh_bytes + s.limbo_parked_bytes) << " ("
        << size_text(s.limbo_parked_bytes) << " held back by readers), fragmentation "
        << percent(s.fragmentation_ratio()) << '\n'
        << "counts: " << s.commits << " commits, " << s.allocations << " allocations, "
        << s.deallocations << " deallocations, " << s.allocation_failures << " failures, "
        << s.reclaims << " reclaims\n"
        << "readers: " << s.readers << " now, at most " << s.peak_readers << ", epoch " << s.epoch;
    if (s.oldest_pinned_epoch) {
        out << ", oldest pin " << *s.oldest_pinned_epoch << " ("
            << std::chrono::duration_cast<std::chrono::milliseconds>(s.oldest_pin_age).count()
            << " ms)";
    }
    out << '\n';
    for (const RegionStatistics& region : s.regions) {
        out << "  " << region.dimension << ' ' << region.name << ": " << region.layers
            << " layers, live " << size_text(region.live_bytes) << ", file "
            << size_text(region.memory.committed_bytes) << ", slabs "
            << percent(region.memory.slab_fragmentation()) << " free, rounding "
            << percent(region.memory.internal_fragmentation()) << '\n';
    }
    return out.str();
}

}  // namespace strata
