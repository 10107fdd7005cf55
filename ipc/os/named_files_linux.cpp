// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <climits>
#include <cstdio>
#include <fcntl.h>
#include <limits>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <utility>

#include "ipc/os/linux_calls.hpp"
#include "ipc/os/named_files.hpp"

namespace strata::ipc::os {

namespace {

Result<FileIdentity> converted(int result, const struct stat& st) {
    if (result != 0) {
        return {{}, errno};
    }
    const auto ns = [](const timespec& time) {
        return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
    };
    return {{.status = status_of(st), .modified_ns = ns(st.st_mtim), .changed_ns = ns(st.st_ctim)}};
}

int open_at(int directory, const std::string& name, int flags, std::uint32_t mode = 0) {
    return retry(
        [&] { return ::openat(directory, name.c_str(), flags | O_CLOEXEC, mode_t{mode}); });
}

Result<FileDescriptor> open_to_append(int directory, const std::string& name,
                                      std::uint32_t permissions) {
    constexpr int flags = O_WRONLY | O_APPEND | O_NONBLOCK;
    for (;;) {
        const int there = open_at(directory, name, flags);
        if (there >= 0 || errno != ENOENT) {
            return opened(there);
        }
        const int fd = open_at(directory, name, flags | O_CREAT | O_EXCL, permissions);
        if (fd >= 0 || errno != EEXIST) {
            return made(fd, directory, name);
        }
        struct stat st {};
        if (::fstatat(directory, name.c_str(), &st, 0) != 0) {  // a link to nowhere: made there
            return opened(open_at(directory, name, flags | O_CREAT, permissions));
        }
    }
}

}  // namespace

Result<FileDescriptor> open_file(int directory, const std::string& name, FileMode mode,
                                 std::uint32_t permissions) {
    if (mode == FileMode::create) {
        constexpr int flags = O_WRONLY | O_CREAT | O_EXCL;
        return made(open_at(directory, name, flags, permissions), directory, name);
    }
    if (mode == FileMode::append) {
        return open_to_append(directory, name, permissions);
    }
    int fd = open_at(directory, name, O_RDONLY | O_NONBLOCK);
    if (fd < 0 && errno == EWOULDBLOCK) {
        // Somebody has a lease on it, which the kernel breaks while we wait (fcntl(2), F_SETLEASE).
        struct stat st {};
        fd = ::fstatat(directory, name.c_str(), &st, 0) == 0 && S_ISREG(st.st_mode)
                 ? open_at(directory, name, O_RDONLY)
                 : -1;
    }
    return opened(fd);
}

int close_file(FileDescriptor file) noexcept {
    // Linux has freed the number in any case, interrupted or not.
    return ::close(file.release()) == 0 || errno == EINTR ? 0 : errno;
}

Result<FileDescriptor> open_search_directory(const std::string& path) {
    // The dot needs the right to search the directory itself.
    return opened(open_at(AT_FDCWD, path + "/.", O_PATH | O_DIRECTORY));
}

Result<FileIdentity> identity(int fd) {
    struct stat st {};
    return converted(::fstat(fd, &st), st);
}

Result<FileIdentity> identity_at(int directory, const std::string& name) {
    struct stat st {};
    return converted(::fstatat(directory, name.c_str(), &st, 0), st);
}

bool may_write_at(int directory, const std::string& name) noexcept {
    return ::faccessat(directory, name.c_str(), W_OK, AT_EACCESS) == 0;
}

int write_at(int fd, const void* bytes, std::size_t size, std::uint64_t offset) noexcept {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t put = retry([&] {
            return ::pwrite(fd, static_cast<const char*>(bytes) + done, size - done,
                            static_cast<off_t>(offset + done));
        });
        if (put < 0) {
            return errno;
        }
        if (put == 0) {
            return EIO;  // never for a file, but it would not end
        }
        done += static_cast<std::size_t>(put);
    }
    return 0;
}

Result<std::size_t> read_up_to(int fd, void* out, std::size_t size, std::uint64_t offset) {
    std::size_t done = 0;
    while (done < size) {
        const std::uint64_t at = offset + done;
        if (at > static_cast<std::uint64_t>(std::numeric_limits<off_t>::max())) {
            break;
        }
        const ssize_t got = retry([&] {
            return ::pread(fd, static_cast<char*>(out) + done, size - done, static_cast<off_t>(at));
        });
        if (got < 0) {
            return {done, errno};
        }
        if (got == 0) {
            break;
        }
        done += static_cast<std::size_t>(got);
    }
    return {done};
}

Result<std::size_t> write_all(int fd, const void* bytes, std::size_t size) {
    std::size_t done = 0;
    while (done < size) {
        const ssize_t put =
            retry([&] { return ::write(fd, static_cast<const char*>(bytes) + done, size - done); });
        if (put < 0) {
            return {done, errno};
        }
        done += static_cast<std::size_t>(put);
    }
    return {done};
}

int sync_data(int fd) noexcept {
    return retry([&] { return ::fdatasync(fd); }) == 0 ? 0 : errno;
}
int sync_all(int fd) {
    return retry([&] { return ::fsync(fd); }) == 0 ? 0 : errno;
}

int sync_directory(int directory) {
    const auto readable = opened(open_at(directory, ".", O_RDONLY | O_DIRECTORY));
    if (!readable) {
        return readable.error;
    }
    const int error = sync_all(readable.value.get());
    return error == EINVAL || error == EOPNOTSUPP ? 0 : error;  // not a thing of this file system
}

int rename_over(int directory, const std::string& from, const std::string& to) {
    return ::renameat(directory, from.c_str(), directory, to.c_str()) == 0 ? 0 : errno;
}

Result<std::optional<Space>> file_system_space(int fd) noexcept {
    struct statvfs found {};
    if (retry([&] { return ::fstatvfs(fd, &found); }) != 0) {
        return {{}, errno};
    }
    if (found.f_blocks == 0) {  // a tmpfs of any size
        return {};
    }
    const std::uint64_t unit = found.f_frsize;
    const std::uint64_t free = ::geteuid() == 0 ? found.f_bfree : found.f_bavail;
    return {Space{.total_bytes = found.f_blocks * unit, .free_bytes = free * unit}};
}

int advise_file(int fd, std::uint64_t offset, std::uint64_t bytes, Advice advice) noexcept {
    int meant = POSIX_FADV_WILLNEED;
    switch (advice) {
        case Advice::normal: meant = POSIX_FADV_NORMAL; break;
        case Advice::sequential: meant = POSIX_FADV_SEQUENTIAL; break;
        case Advice::random: meant = POSIX_FADV_RANDOM; break;
        case Advice::huge_pages:
        case Advice::will_need:
        case Advice::populate:
        case Advice::populate_writable: break;
    }
    return ::posix_fadvise(fd, static_cast<off_t>(offset), static_cast<off_t>(bytes), meant);
}

}  // namespace strata::ipc::os
