// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <dirent.h>
#include <fcntl.h>
#include <limits>
#include <memory>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/os/files.hpp"
#include "ipc/os/linux_calls.hpp"

namespace strata::ipc::os {

namespace {

Result<FileStatus> converted(int result, const struct stat& st) {
    if (result != 0) {
        return {{}, errno};
    }
    return {status_of(st)};
}

}  // namespace

Result<FileDescriptor> open_directory(const std::string& path) {
    return opened(retry([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
}

Result<FileDescriptor> open_directory_at(int directory, const std::string& name) {
    return opened(retry([&] {
        return ::openat(directory, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    }));
}

namespace {
// Reading leaves no trace, not even a time of access: only the file's owner and root may ask for
// that. The number of the descriptor, or -1.
int open_untraced(int directory, const char* name, int flags) {
    const int fd = retry([&] { return ::openat(directory, name, flags | O_NOATIME); });
    return fd >= 0 || errno != EPERM ? fd : retry([&] { return ::openat(directory, name, flags); });
}
}  // namespace

// O_NONBLOCK: a fifo planted under the name must not make the open hang.
Result<FileDescriptor> open_read(int directory, const std::string& name) {
    return opened(
        open_untraced(directory, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

Result<FileDescriptor> open_write(int directory, const std::string& name) {
    return opened(retry([&] {
        return ::openat(directory, name.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    }));
}

Result<FileDescriptor> create_file(int directory, const std::string& name, std::uint32_t mode,
                                   std::optional<std::uint32_t> group) {
    auto file =
        made(retry([&] {
                 return ::openat(directory, name.c_str(),
                                 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode & 0600U);
             }),
             directory, name);
    if (file) {
        if (const int error = set_access(file.value.get(), mode, group)) {
            ::unlinkat(directory, name.c_str(), 0);
            return {{}, error};
        }
    }
    return file;
}

int set_access(int fd, std::uint32_t mode, std::optional<std::uint32_t> group) noexcept {
    constexpr auto same_owner = static_cast<uid_t>(-1);
    const bool done = (!group || ::fchown(fd, same_owner, *group) == 0) && ::fchmod(fd, mode) == 0;
    return done ? 0 : errno;
}

int create_directory(const std::string& path, std::uint32_t mode) {
    return create_directory_at(AT_FDCWD, path, mode);
}

int create_directory_at(int directory, const std::string& name, std::uint32_t mode,
                        std::optional<std::uint32_t> group) {
    if (::mkdirat(directory, name.c_str(), mode & 0700U) != 0) {
        return errno;
    }
    // mkdir applies the umask; chmod does not. We just made it, so it is no link.
    constexpr auto same_owner = static_cast<uid_t>(-1);
    if ((group &&
         ::fchownat(directory, name.c_str(), same_owner, *group, AT_SYMLINK_NOFOLLOW) != 0) ||
        ::fchmodat(directory, name.c_str(), mode, 0) != 0) {
        const int error = errno;
        ::unlinkat(directory, name.c_str(), AT_REMOVEDIR);
        return error;
    }
    return 0;
}

int remove_file(int directory, const std::string& name) {
    return ::unlinkat(directory, name.c_str(), 0) == 0 ? 0 : errno;
}

int remove_directory(int directory, const std::string& name) {
    return ::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0 ? 0 : errno;
}

int rename_at(int directory, const std::string& from, const std::string& to, RenameMode mode) {
    const unsigned flags = mode == RenameMode::no_replace ? RENAME_NOREPLACE : RENAME_EXCHANGE;
    return ::renameat2(directory, from.c_str(), directory, to.c_str(), flags) == 0 ? 0 : errno;
}

Result<std::vector<std::string>> list_directory(int directory) {
    const int copy = open_untraced(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy < 0) {
        return {{}, errno};
    }
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(copy), ::closedir);
    if (!stream) {
        const int error = errno;
        ::close(copy);
        return {{}, error};
    }
    Result<std::vector<std::string>> result;
    for (;;) {
        errno = 0;
        const dirent* const entry = ::readdir(stream.get());  // NOLINT: own stream, own thread
        if (entry == nullptr) {
            result.error = errno;
            return result;
        }
        const std::string name = entry->d_name;
        if (name != "." && name != "..") {
            result.value.push_back(name);
        }
    }
}

Result<FileDescriptor> reopen_read(int fd) noexcept {
    const auto path = descriptor_path(fd);
    return opened(retry([&] { return ::open(path.data(), O_RDONLY | O_CLOEXEC); }));
}

int read_at(int fd, void* out, std::size_t size, std::uint64_t offset) {
    const ssize_t got = retry([&] { return ::pread(fd, out, size, static_cast<off_t>(offset)); });
    if (got < 0) {
        return errno;
    }
    return static_cast<std::size_t>(got) == size ? 0 : EIO;
}

int replace_descriptor(int source, int target) noexcept {
    if (retry([&] { return ::dup3(source, target, O_CLOEXEC); }) < 0) {
        return errno;
    }
    ::close(source);
    return 0;
}

Result<FileStatus> status(int fd) {
    struct stat st {};
    return converted(::fstat(fd, &st), st);
}

Result<FileStatus> status_at(int directory, const std::string& name) {
    struct stat st {};
    return converted(::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW), st);
}

int commit_range(int fd, std::uint64_t offset, std::uint64_t bytes) {
    if (offset + bytes > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
        return EFBIG;
    }
    int error = 0;
    do {  // returns the error instead of setting errno
        error = ::posix_fallocate(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes));
    } while (error == EINTR);
    return error;
}

int punch_hole(int fd, std::uint64_t offset, std::uint64_t bytes) {
    return retry([&] {
               return ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                  static_cast<off_t>(offset), static_cast<off_t>(bytes));
           }) == 0
               ? 0
               : errno;
}

int truncate_file(int fd, std::uint64_t bytes) {
    return retry([&] { return ::ftruncate(fd, static_cast<off_t>(bytes)); }) == 0 ? 0 : errno;
}

int replace_file(const std::string& path, const std::string& content, std::uint32_t mode) {
    std::string temporary = path + ".XXXXXX";
    const int fd = ::mkostemp(temporary.data(), O_CLOEXEC);
    const auto file = made(fd, AT_FDCWD, temporary);
    if (!file) {
        return file.error;
    }
    int error = 0;
    for (std::size_t done = 0; error == 0 && done < content.size();) {
        const ssize_t n = retry([&] {
            return ::write(file.value.get(), content.data() + done, content.size() - done);
        });
        error = n < 0 ? errno : 0;
        done += n < 0 ? 0 : static_cast<std::size_t>(n);
    }
    if (error == 0 && (::fchmod(file.value.get(), mode) != 0 || ::fsync(file.value.get()) != 0 ||
                       ::rename(temporary.c_str(), path.c_str()) != 0)) {
        error = errno;
    }
    if (error != 0) {
        ::unlink(temporary.c_str());
    }
    return error;
}

Result<DataRange> next_data(int fd, std::uint64_t offset, std::uint64_t end) noexcept {
    const off_t data = ::lseek(fd, static_cast<off_t>(offset), SEEK_DATA);
    if (data < 0) {
        switch (errno) {
            case ENXIO: return {{end, end}};      // only a hole is left
            case EINVAL: return {{offset, end}};  // the file system knows no such question
            default: return {{}, errno};
        }
    }
    const off_t hole = ::lseek(fd, data, SEEK_HOLE);
    if (hole < 0) {
        return {{}, errno};
    }
    return {{std::min(static_cast<std::uint64_t>(data), end),
             std::min(static_cast<std::uint64_t>(hole), end)}};
}

std::optional<bool> opened_elsewhere(int fd) noexcept {
    // Opening the file while the lease stands makes the kernel send us this signal; the default one
    // would end the process, this one is ignored unless somebody asks for it.
    if (::fcntl(fd, F_SETSIG, SIGURG) != 0) {
        return std::nullopt;
    }
    if (::fcntl(fd, F_SETLEASE, F_WRLCK) == 0) {
        ::fcntl(fd, F_SETLEASE, F_UNLCK);
        return false;
    }
    return errno == EAGAIN ? std::optional(true) : std::nullopt;
}

}  // namespace strata::ipc::os
