// SPDX-License-Identifier: Apache-2.0
// The operating system, as far as strata needs it. The one place with system calls (mappings are in
// mapping.hpp); a port to another system replaces os_linux.cpp. Functions report failure by errno
// values (0: success) and leave it to the caller, who knows the operation, to throw.
#pragma once

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace strata::ipc {

/// Owns a file descriptor. Always close-on-exec.
class FileDescriptor {
public:
    FileDescriptor() noexcept = default;
    explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
    FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    FileDescriptor(const FileDescriptor&) = delete;
    FileDescriptor& operator=(const FileDescriptor&) = delete;
    ~FileDescriptor() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    void reset() noexcept;

private:
    int fd_ = -1;
};

namespace os {

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

/// A failed call: errno. A successful one: the value.
template <class T>
struct Result {
    T value{};
    int error = 0;
    explicit operator bool() const noexcept { return error == 0; }
};

// Files. `directory` is an open directory; names are single components; links are never followed.
Result<FileDescriptor> open_directory(const std::string& path);
Result<FileDescriptor> open_directory_at(int directory, const std::string& name);
Result<FileDescriptor> open_read(int directory, const std::string& name);
Result<FileDescriptor> open_write(int directory, const std::string& name);
/// New file (fails with EEXIST); `mode` is set whatever the umask, and not before the group.
Result<FileDescriptor> create_file(int directory, const std::string& name, std::uint32_t mode,
                                   std::optional<std::uint32_t> group = {});
int create_directory(const std::string& path, std::uint32_t mode);
int create_directory_at(int directory, const std::string& name, std::uint32_t mode,
                        std::optional<std::uint32_t> group = {});
int remove_file(int directory, const std::string& name);
int remove_directory(int directory, const std::string& name);
enum class RenameMode : unsigned char { no_replace, exchange };
int rename_at(int directory, const std::string& from, const std::string& to, RenameMode mode);
Result<std::vector<std::string>> list_directory(int directory);
/// Another description of the file behind `fd`, opened read-only. Async-signal-safe.
int reopen_read(int fd) noexcept;
/// Makes `target` name what `source` names and closes `source`. Async-signal-safe.
void replace_descriptor(int source, int target) noexcept;

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
/// after a crash: written beside it, synced, renamed.
int replace_file(const std::string& path, const std::string& content, std::uint32_t mode);
/// First data at or after `offset`, and the end of it; size_bytes of the file if there is none.
std::pair<std::uint64_t, std::uint64_t> next_data(int fd, std::uint64_t offset, std::uint64_t size);

// Open-file-description locks: owned by the description, dropped by the kernel with its last
// descriptor. See fcntl(2), "Open file description locks".
enum class LockType : unsigned char { shared, exclusive, unlock };
/// 0, EAGAIN (someone else's lock is in the way), or another errno. Never blocks.
int set_lock(int fd, LockType type, std::uint64_t start, std::uint64_t length) noexcept;
/// As set_lock, but sleeps in the kernel until nobody's lock is in the way.
int wait_lock(int fd, LockType type, std::uint64_t start, std::uint64_t length) noexcept;
struct LockRange {
    std::uint64_t start = 0;
    std::uint64_t length = 0;
    bool exclusive = false;
};
/// Some lock of another description that conflicts with an exclusive (`type` exclusive) or a shared
/// one on the range.
std::optional<LockRange> find_lock(int fd, LockType type, std::uint64_t start,
                                   std::uint64_t length);

/// Whether another open file description of this file exists, in any process (a mapping keeps one):
/// the kernel grants a write lease only if not. nullopt: not for this file system or user.
std::optional<bool> opened_elsewhere(int fd) noexcept;

// Futexes on shared mappings, also read-only ones.
inline constexpr std::uint32_t all_waiters = 0xFFFF'FFFF;
/// Sleeps while *word == expected, until the deadline (steady clock) or a wake for one of `mask`'s
/// bits. False on timeout.
bool futex_wait(const std::uint32_t* word, std::uint32_t expected,
                std::optional<std::chrono::steady_clock::time_point> deadline,
                std::uint32_t mask = all_waiters) noexcept;
/// Wakes all waiters that share a bit with `mask`.
void futex_wake(const std::uint32_t* word, std::uint32_t mask = all_waiters) noexcept;

// Events for poll loops.
Result<FileDescriptor> create_event();
void signal_event(int fd) noexcept;
void clear_event(int fd) noexcept;

// Directory watches, for waiting until a name appears.
Result<FileDescriptor> watch_directory(const std::string& path);
/// Watches an open file: fires when somebody reads from it by a system call, or the last descriptor
/// and mapping of a description opened read-only are gone (a moment before its locks are).
Result<FileDescriptor> watch_reads(int fd);
/// Waits until the watch fires or the deadline passes; false on timeout.
bool wait_readable(int fd, std::chrono::steady_clock::time_point deadline);
/// Waits for either of two: the watch, and an event that ends the waiting.
bool wait_either_readable(int first, int second, std::chrono::steady_clock::time_point deadline);
void drain(int fd) noexcept;

/// Asks for the right to use barrier_all_threads; false if the kernel has no such thing.
bool register_barriers() noexcept;
/// Every running thread of this process passes a full memory barrier before this returns. See
/// membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED.
void barrier_all_threads() noexcept;

void random_bytes(void* out, std::size_t size);
std::int64_t realtime_ns() noexcept;
std::int64_t process_id() noexcept;

/// act(value) when the calling thread ends, after its thread_local objects; not at the end of the
/// main thread. `act` must always be the same. False: no room for it, or the process is ending.
bool at_thread_end(void (*act)(void*), void* value) noexcept;

/// While it lives, the calling thread gets no signal; threads that it starts never do.
class BlockedSignals {
public:
    BlockedSignals() noexcept;
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;
    ~BlockedSignals();

private:
    sigset_t before_;
};
std::uint32_t effective_user() noexcept;
/// Keeps the pages of a mapping out of forked children.
void dont_fork(void* address, std::size_t size) noexcept;

}  // namespace os
}  // namespace strata::ipc
