// SPDX-License-Identifier: Apache-2.0
// What the kernel tells of processes, as shown to people: page faults, and who has a file open.
// Part of the operating-system layer, as os.hpp is, with the same way to report failure.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ipc/os/files.hpp"

namespace strata::ipc::os {

/// Since the process began, all of its threads together.
struct PageFaults {
    std::uint64_t minor = 0;  ///< the page was in memory
    std::uint64_t major = 0;  ///< it had to be read
};
PageFaults own_page_faults() noexcept;
/// ENOENT, ESRCH: there is no such process (in this pid namespace).
Result<PageFaults> page_faults_of(std::int64_t process);

/// A process, and which of the files that were asked for it has open.
struct FileUser {
    std::int64_t process = 0;  ///< its number in this pid namespace
    std::vector<bool> open{};  ///< as many as files were asked for
};
/// The processes that have any of the files open, ascending, as far as the caller may look into
/// them: those of its own user, for root all. Advisory. Reads the descriptors of all of these.
/// Throws std::bad_alloc. An error: /proc cannot be read.
Result<std::vector<FileUser>> processes_with_open(std::span<const FileStatus> files);

}  // namespace strata::ipc::os
