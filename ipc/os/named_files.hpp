// SPDX-License-Identifier: Apache-2.0
// Files that people name, their read-only mappings, and what the kernel keeps of them in memory.
// Part of the operating-system layer, as os.hpp is, with the same way to report failure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "ipc/os.hpp"

namespace strata::ipc::os {

// Opening. Other than a store's files, these may be links. Nobody waits for the other end of a
// fifo; who opens a file that somebody has a lease on waits until the lease is broken.
enum class FileMode : unsigned char {
    read,
    create,  ///< new, for writing; EEXIST
    append,  ///< for writing at the end; made if it is not there
};
Result<FileDescriptor> open_file(int directory, const std::string& name, FileMode mode,
                                 std::uint32_t permissions = 0666);
/// What close(2) says of bytes that are lost only now (NFS, FUSE, quota); not EINTR.
int close_file(FileDescriptor file) noexcept;
/// For names in it alone (O_PATH): who may search a directory need not be able to read it.
Result<FileDescriptor> open_search_directory(const std::string& path);
/// Of what a link points to; also when it changed, in nanoseconds.
struct FileIdentity {
    FileStatus status{};
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
};
Result<FileIdentity> identity(int fd);
Result<FileIdentity> identity_at(int directory, const std::string& name);
/// By the rights of the effective user.
bool may_write_at(int directory, const std::string& name) noexcept;

/// Up to `size` bytes; fewer at the end of the file only.
Result<std::size_t> read_up_to(int fd, void* out, std::size_t size, std::uint64_t offset);
/// All of them; how many were written is known even if it failed.
Result<std::size_t> write_all(int fd, const void* bytes, std::size_t size);
/// All of the bytes at `offset`, whatever the position of the descriptor.
int write_at(int fd, const void* bytes, std::size_t size, std::uint64_t offset) noexcept;
/// A file's bytes, its size and where they lie, not its times and its mode: on a journalling file
/// system half the flushes.
int sync_data(int fd) noexcept;
int sync_all(int fd);
/// The names in it; 0 also where the file system has no such thing.
int sync_directory(int directory);
/// Atomic; replaces.
int rename_over(int directory, const std::string& from, const std::string& to);

struct Space {
    std::uint64_t total_bytes = 0;
    std::uint64_t free_bytes = 0;  ///< for the effective user
};
/// What the file's file system has; nothing where that has no bound of its own.
Result<std::optional<Space>> file_system_space(int fd) noexcept;

// Mappings.
std::size_t page_size() noexcept;
/// [offset, offset + bytes) of the file, read-only and shared. The descriptor may be closed.
Result<const std::byte*> map_file(int fd, std::uint64_t offset, std::uint64_t bytes);
void unmap_file(const std::byte* base, std::uint64_t bytes) noexcept;

enum class Advice : unsigned char {
    normal,
    sequential,
    random,
    huge_pages,         ///< wanted, from now on
    will_need,          ///< read-ahead is started
    populate,           ///< read and entered into the page table; EFAULT: not in the file, EIO
    populate_writable,  ///< the same for pages that are written next; EINVAL before Linux 5.14
};
/// Any range inside a mapping; whole pages are meant. A part of a mapping that is advised in
/// another way than the rest takes one of the process's mappings, or two. EAGAIN: none left.
int advise_mapping(const std::byte* at, std::uint64_t bytes, Advice advice) noexcept;
/// Starts reading ahead (posix_fadvise).
int advise_file(int fd, std::uint64_t offset, std::uint64_t bytes, Advice advice) noexcept;

// The page cache.
struct CachedPages {
    std::uint64_t resident = 0;
    std::uint64_t dirty = 0;
    std::uint64_t evicted = 0;
};
/// cachestat(2): ENOSYS before Linux 6.5, EOPNOTSUPP, EPERM.
Result<CachedPages> cached_pages(int fd, std::uint64_t offset, std::uint64_t bytes);
/// mincore(2): of a mapping; bytes in whole pages.
Result<std::uint64_t> resident_bytes(const std::byte* at, std::uint64_t bytes);

// Limits of this process, as far as they can be known.
struct LimitUse {
    std::uint64_t used = 0;
    std::optional<std::uint64_t> limit{};  ///< none: unlimited or not known
};
LimitUse address_space();     ///< bytes; `ulimit -v`
LimitUse locked_memory();     ///< bytes; `ulimit -l`
LimitUse descriptor_count();  ///< `ulimit -n`
/// vm.max_map_count. Counting takes a tenth of a second where there are many: an answer is kept for
/// a second. Allocates nothing.
LimitUse mapping_count();
std::optional<std::uint64_t> mapping_limit();

}  // namespace strata::ipc::os
