// SPDX-License-Identifier: Apache-2.0
// The files of a store: opened, made, listed, renamed and removed below an open directory, given
// memory and relieved of it. Names are single components and links are never followed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ipc/os/descriptor.hpp"

namespace strata::ipc::os {

struct FileStatus {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t links = 0;
    std::uint64_t size_bytes = 0;
    std::uint64_t allocated_bytes = 0;
    std::uint32_t owner = 0;
    std::uint32_t group = 0;
    std::uint32_t mode = 0;  // permission bits only
    bool is_regular = false;
    bool is_directory = false;
};

/// Where stores are shared memory: a directory below one that every user may write to.
inline constexpr const char* shared_base_path = "/dev/shm/strata";

// `directory`: an open directory.
Result<FileDescriptor> open_directory(const std::string& path);
Result<FileDescriptor> open_directory_at(int directory, const std::string& name);
Result<FileDescriptor> open_read(int directory, const std::string& name);
Result<FileDescriptor> open_write(int directory, const std::string& name);
/// New file (fails with EEXIST); `mode` is set whatever the umask, and not before the group.
Result<FileDescriptor> create_file(int directory, const std::string& name, std::uint32_t mode,
                                   std::optional<std::uint32_t> group = {});
/// Gives a file to a group, if one is named, and then sets its mode.
int set_access(int fd, std::uint32_t mode, std::optional<std::uint32_t> group) noexcept;
int create_directory(const std::string& path, std::uint32_t mode);
int create_directory_at(int directory, const std::string& name, std::uint32_t mode,
                        std::optional<std::uint32_t> group = {});
int remove_file(int directory, const std::string& name);
int remove_directory(int directory, const std::string& name);
enum class RenameMode : unsigned char { no_replace, exchange };
int rename_at(int directory, const std::string& from, const std::string& to, RenameMode mode);
Result<std::vector<std::string>> list_directory(int directory);
/// Another description of the file behind `fd`, opened read-only through /proc.
/// Async-signal-safe.
Result<FileDescriptor> reopen_read(int fd) noexcept;
/// Makes `target` name what `source` names and closes `source`. 0 or an errno; then both are as
/// they were. Async-signal-safe.
int replace_descriptor(int source, int target) noexcept;

/// Reads exactly `size` bytes at `offset`; EIO if the file ends before.
int read_at(int fd, void* out, std::size_t size, std::uint64_t offset);

Result<FileStatus> status(int fd);
Result<FileStatus> status_at(int directory, const std::string& name);
/// Gives [offset, offset+bytes) real memory, extending the file if needed; ENOSPC instead of a
/// later SIGBUS. Not interrupted.
int commit_range(int fd, std::uint64_t offset, std::uint64_t bytes);
/// Gives whole pages back to the system; they read as zeros. The file keeps its size.
int punch_hole(int fd, std::uint64_t offset, std::uint64_t bytes);
int truncate_file(int fd, std::uint64_t bytes);
/// Puts a file with this content in the place of `path`, which is seen complete or not at all, also
/// after a crash: written to a temporary file, synced, renamed.
int replace_file(const std::string& path, const std::string& content, std::uint32_t mode);
struct DataRange {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};
/// First data at or after `offset`, as far as it lies below `end`; both ends are `end` if there is
/// none. A file system that cannot tell has data everywhere.
Result<DataRange> next_data(int fd, std::uint64_t offset, std::uint64_t end) noexcept;

/// Whether another open file description of this file exists, in any process (a mapping keeps one):
/// the kernel grants a write lease only if not. nullopt: not for this file system or user.
std::optional<bool> opened_elsewhere(int fd) noexcept;

}  // namespace strata::ipc::os
