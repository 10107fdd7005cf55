// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <unistd.h>

#include "ipc/os/linux_calls.hpp"
#include "ipc/os/locks.hpp"

namespace strata::ipc::os {

namespace {

struct flock lock_of(short type, std::uint64_t start, std::uint64_t length) noexcept {
    struct flock lock {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = static_cast<off_t>(start);
    lock.l_len = static_cast<off_t>(length);
    return lock;  // l_pid stays 0, as OFD locks require
}

short type_of(LockType type) noexcept {
    switch (type) {
        case LockType::shared: return F_RDLCK;
        case LockType::exclusive: return F_WRLCK;
        case LockType::unlock: break;
    }
    return F_UNLCK;
}

}  // namespace

int set_lock(int fd, LockType type, std::uint64_t start, std::uint64_t length) noexcept {
    struct flock lock = lock_of(type_of(type), start, length);
    if (retry([&] { return ::fcntl(fd, F_OFD_SETLK, &lock); }) == 0) {
        return 0;
    }
    return errno == EACCES ? EAGAIN : errno;
}

Result<std::optional<LockRange>> find_lock(int fd, LockType type, std::uint64_t start,
                                           std::uint64_t length) noexcept {
    struct flock lock = lock_of(type_of(type), start, length);
    if (retry([&] { return ::fcntl(fd, F_OFD_GETLK, &lock); }) != 0) {
        return {std::nullopt, errno};
    }
    if (lock.l_type == F_UNLCK) {
        return {};
    }
    return {LockRange{static_cast<std::uint64_t>(lock.l_start),
                      lock.l_len == 0 ? std::uint64_t{std::numeric_limits<off_t>::max()}
                                      : static_cast<std::uint64_t>(lock.l_len),
                      lock.l_type == F_WRLCK}};
}

}  // namespace strata::ipc::os
