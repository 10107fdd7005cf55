// SPDX-License-Identifier: Apache-2.0
// What a volume holds and who uses it: sizes, how much of it is in memory, page faults, processes.
// Only looks; read permission is enough. Part of the component `volume`.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/error.hpp"
#include "strata/file_view.hpp"
#include "strata/statistics.hpp"
#include "strata/types.hpp"
#include "strata/volume.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// A file of an archive or of a live store.
struct VolumeFile {
    std::string name{};
    std::uint64_t size_bytes = 0;
    std::uint64_t allocated_bytes = 0;  ///< on the disk, or of memory
    /// None: it cannot be known, and `why_unknown` says why (the kernel tells the owner and who may
    /// write the file; or there is no right to read it).
    std::optional<Residency> residency{};
    std::string why_unknown{};
};

/// Since the process began.
struct PageFaults {
    std::uint64_t minor = 0;  ///< the page was in memory
    std::uint64_t major = 0;  ///< it had to be read from the disk
};

/// A process that has a live store open.
struct AttachedProcess {
    std::int64_t process = 0;  ///< in the caller's pid namespace
    bool producer = false;
    std::uint64_t pins = 0;  ///< snapshots' pins that are known to be its own
    std::optional<PageFaults> faults{};
};

/// One live store. If it cannot be read, `error` says why and only the name is set.
struct LiveStoreInfo {
    std::string name{};
    std::filesystem::path path{};
    std::optional<Error> error{};

    Generation generation = 0;
    std::chrono::system_clock::time_point published_at{};
    Generation durable_generation = 0;  ///< 0: there is none
    bool durability_lost = false;       ///< a flush failed: nothing newer becomes durable
    std::uint64_t layers = 0;
    std::uint64_t memory_limit = 0;
    std::uint64_t size_bytes = 0;                   ///< of all files
    std::uint64_t allocated_bytes = 0;              ///< that they take
    std::vector<VolumeFile> files{};                ///< control, regions, slots; by name
    std::vector<DimensionStatistics> dimensions{};  ///< ascending by number
    std::vector<RegionStatistics> regions{};        ///< ascending by serial

    std::optional<std::int64_t> producer_pid{};  ///< in its own pid namespace
    std::uint64_t readers = 0;                   ///< pins, also of processes that are not visible
    /// Those that the caller may look into: its own user's, for root all; ascending.
    std::vector<AttachedProcess> attached{};
};

/// One archive. If it cannot be read, `error` says why.
struct ArchiveInfo {
    Dimension dimension = 0;
    std::string name{};
    std::filesystem::path path{};
    std::optional<Error> error{};

    std::uint64_t layers = 0;
    std::uint64_t content_bytes = 0;
    Generation live_generation = 0;  ///< of the live store that it comes from; 0: not said
    std::string updated_at{};        ///< RFC 3339, UTC
    /// The same; none if that is not said in this form.
    std::optional<std::chrono::system_clock::time_point> updated{};
    VolumeFile region{};
    VolumeFile index{};
};

struct VolumeInfo {
    std::vector<LiveStoreInfo> stores{};  ///< by name
    std::vector<ArchiveInfo> archives{};  ///< ascending by dimension
    PageFaults own_faults{};              ///< of the calling process
};

/// Everything below the volume's directory; one thing that cannot be read hides no other. Reads the
/// indexes of all archives; takes a snapshot of each live store for a moment, and looks through the
/// descriptors of the processes that it may look into. Throws file_not_found (no volume),
/// permission_denied, system about the volume itself, std::bad_alloc. Thread and process safety:
/// any thread, any number of processes.
[[nodiscard]] VolumeInfo volume_info(const Volume& volume);

/// One live store, wherever it is. What is wrong with it is in LiveStoreInfo::error.
[[nodiscard]] LiveStoreInfo live_store_info(std::string_view name,
                                            const std::filesystem::path& base);

}  // namespace strata::inline STRATA_ABI_NAMESPACE
