// SPDX-License-Identifier: Apache-2.0
// The operating system, as far as surviving a power failure needs it: flushing, and telling one run
// of the machine, and one mount, from another. Failures are errno values; 0 is success.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ipc/os.hpp"

namespace strata::ipc::os {

/// All of a file, or a directory's entries, is on stable storage when it returns 0. Never repeated
/// after a failure: the kernel forgets what it could not write. See fsync(2).
int sync_file(int fd) noexcept;

/// The kernel begins to write what is dirty, so that the waits of several flushes overlap. Promises
/// nothing, and takes no error away from the flush that follows. See sync_file_range(2).
void start_writeback(int fd) noexcept;

/// Where and when a file is used.
struct Standpoint {
    std::array<std::uint64_t, 2> boot_id{};  // of this run of the machine
    std::uint64_t device = 0;
    std::uint64_t mount = 0;  // never used twice in a run; 0: the kernel cannot tell (before 6.8)

    /// Whether `id` was noted in this run of the machine.
    bool is_boot(const std::uint64_t (&id)[2]) const noexcept {
        return boot_id[0] == id[0] && boot_id[1] == id[1];
    }
};
Result<Standpoint> standpoint_of(int fd);

/// Whether the file lies in memory alone (tmpfs, ramfs, hugetlbfs), where flushing is in vain.
Result<bool> is_volatile(int fd) noexcept;

}  // namespace strata::ipc::os
