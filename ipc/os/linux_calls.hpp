// SPDX-License-Identifier: Apache-2.0
// What the files of the operating-system layer share: repeating interrupted calls, descriptors
// above the standard streams, the kernel's struct stat.
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "ipc/os/files.hpp"

namespace strata::ipc::os {

/// Repeats a call that a signal interrupted.
template <class Call>
auto retry(Call call) {
    decltype(call()) result{};
    do {
        result = call();
    } while (result < 0 && errno == EINTR);
    return result;
}

/// In a process whose standard streams are closed the kernel gives their numbers away. A file of
/// ours must not have one: the next message of anybody would be written into it.
inline Result<FileDescriptor> opened(int fd) {
    if (fd < 0) {
        return {{}, errno};
    }
    FileDescriptor file(fd);
    if (fd <= STDERR_FILENO) {
        const int other = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (other < 0) {
            return {{}, errno};
        }
        file = FileDescriptor(other);
    }
    return {std::move(file)};
}

/// The same of a file that was just made, which is not left behind if it cannot be kept open.
inline Result<FileDescriptor> made(int fd, int directory, const std::string& name) {
    auto file = opened(fd);
    if (!file && fd >= 0) {
        ::unlinkat(directory, name.c_str(), 0);
    }
    return file;
}

/// The name by which this process finds the file behind a descriptor.
inline std::array<char, 32> descriptor_path(int fd) noexcept {
    std::array<char, 32> path{};
    std::snprintf(path.data(), path.size(), "/proc/self/fd/%d", fd);
    return path;
}

inline FileStatus status_of(const struct stat& st) noexcept {
    return {.device = st.st_dev,
            .inode = st.st_ino,
            .links = st.st_nlink,
            .size_bytes = static_cast<std::uint64_t>(st.st_size),
            .allocated_bytes = static_cast<std::uint64_t>(st.st_blocks) * 512,
            .owner = st.st_uid,
            .group = st.st_gid,
            .mode = st.st_mode & 07777U,
            .is_regular = S_ISREG(st.st_mode),
            .is_directory = S_ISDIR(st.st_mode)};
}

}  // namespace strata::ipc::os
