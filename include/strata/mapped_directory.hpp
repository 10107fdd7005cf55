// SPDX-License-Identifier: Apache-2.0
// Big files read in place: a directory whose files are mapped into memory, safely, with a buffered
// fallback that is reported. Needs no store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "strata/error.hpp"
#include "strata/file_directory.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

inline constexpr unsigned min_chunk_power = 20;
inline constexpr unsigned max_chunk_power = 40;
inline constexpr unsigned default_chunk_power = sizeof(void*) >= 8 ? 34 : 28;

/// A file that could not be mapped, or copied if it is small, and is read through a buffer instead.
struct MappingFallback {
    std::string path{};
    std::uint64_t size = 0;
    Error reason;  ///< which limit was hit, its present value, what to try
};

struct MappedDirectoryOptions {
    /// Files are mapped in chunks of 2^chunk_power bytes, 20 to 40. A read across a border is a
    /// little slower, a view across one is a copy. Smaller chunks fit where address space is
    /// scarce, but each takes one of vm.max_map_count mappings.
    unsigned chunk_power = default_chunk_power;
    /// Files up to this size are copied into memory that many of them share: a mapping each would
    /// take one of vm.max_map_count and a page or more. 0: all but empty files are mapped.
    std::uint64_t group_files_up_to = 16_KiB;
    /// So many files that are not open stay mapped, most recent first, so that opening them again
    /// costs no page faults. They are unmapped when a mapping fails, and by `trim`. A deleted file
    /// among them keeps its disk space.
    std::size_t idle_files = 0;
    /// Chunks that are mapped by all directories of this process together, when this one maps. 0:
    /// seven eighths of vm.max_map_count; the rest is left to the rest of the process, which needs
    /// mappings for threads and memory.
    std::uint64_t most_mappings = 0;
    /// Whether a file that cannot be mapped, or copied if it is small, is read through a buffer;
    /// else `open` throws the reason.
    bool fall_back = true;
    /// Told of each such file, in the thread that opens it; what it throws, `open` throws. If
    /// empty, a line on standard error says so.
    std::function<void(const MappingFallback&)> on_fallback{};
    /// Which advice a context means for a file; if empty, advice_of(context).
    std::function<ReadAdvice(std::string_view name, ReadContext context)> advice{};
    /// Whether lost bytes of a mapping end in typed errors. It takes a handler for SIGBUS, which is
    /// there while the directory or an input of it is; what is not ours goes to the handler that
    /// was there before. Without it only reads under a ReadGuard survive. In a thread that blocks
    /// SIGBUS nothing survives: the kernel ends the process.
    bool survive_lost_bytes = true;
};

/// Counted since the directory was opened, in all of its copies.
struct MappedDirectoryStatistics {
    std::uint64_t opened = 0;              ///< calls of open that succeeded
    std::uint64_t shared = 0;              ///< of these, those that found the file open or idle
    std::uint64_t fallbacks = 0;           ///< of these, those that had to take a buffer
    std::uint64_t prefetches = 0;          ///< calls, small ones included
    std::uint64_t prefetches_dropped = 0;  ///< the queue was full
    // Now:
    std::uint64_t open_files = 0;
    std::uint64_t idle_files = 0;
    std::uint64_t mappings = 0;       ///< chunks that are mapped, those of idle files included
    std::uint64_t mapped_bytes = 0;   ///< of address space
    std::uint64_t grouped_bytes = 0;  ///< memory that small files share
};

/// Opening a file maps it and closes its descriptor. Opened again while it is open, by the same
/// name, with the same context and unchanged (device, inode, size, times), it shares the mapping:
/// any number of inputs take one. A grouped file is copied again unless its last change is seconds
/// ago; but a change through another process's mapping shows in no time of the file, and so in no
/// copy, before the kernel writes it back.
///
///     const strata::MappedDirectory index("/srv/index");
///     strata::MappedInput input = index.open("terms.bin", {.context = ReadContext::look_up});
///     input.seek(root);
///     const std::uint32_t count = input.read_u32_le();
///     strata::FileView block = input.view(offset, 4096);   // no copy
class MappedDirectory : public FileDirectory {
public:
    /// Throws file_not_found (also of what is no directory), permission_denied, invalid_argument
    /// (options), limit_exceeded (descriptors), system.
    explicit MappedDirectory(const std::filesystem::path& path,
                             const MappedDirectoryOptions& options = {});

    [[nodiscard]] MappedDirectoryStatistics statistics() const;
    /// Unmaps idle files; returns how many.
    std::size_t trim() const;
    /// Returns when what waits to be prefetched now is there, or known not to be.
    void wait_for_prefetches() const;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE
