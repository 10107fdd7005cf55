// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <ctime>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "ipc/os/events.hpp"
#include "ipc/os/files.hpp"
#include "ipc/os/linux_calls.hpp"

namespace strata::ipc::os {

Result<FileDescriptor> create_event() { return opened(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)); }

bool signal_event(int fd) noexcept {
    const std::uint64_t one = 1;
    // A full counter (EAGAIN) is readable already, which is all that a signal means.
    return retry([&] { return ::write(fd, &one, sizeof(one)); }) >= 0 || errno == EAGAIN;
}

bool clear_event(int fd) noexcept {
    std::uint64_t count = 0;
    return ::read(fd, &count, sizeof(count)) > 0;
}

bool renew_event(int fd) noexcept {
    const int fresh = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fresh < 0) {
        return false;
    }
    const bool replaced = replace_descriptor(fresh, fd) == 0;
    if (!replaced) {
        ::close(fresh);
    }
    return replaced;
}

namespace {
Result<FileDescriptor> watch(const char* path, std::uint32_t events) {
    auto made = opened(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (made && ::inotify_add_watch(made.value.get(), path, events) < 0) {
        return {{}, errno};
    }
    return made;
}
}  // namespace

Result<FileDescriptor> watch_directory(const std::string& path) {
    return watch(path.c_str(), IN_CREATE | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF);
}

Result<FileDescriptor> watch_reads(int fd) {
    // Not by its path: another store may have that by now.
    return watch(descriptor_path(fd).data(), IN_ACCESS | IN_CLOSE_NOWRITE);
}

bool wait_readable(int fd, std::chrono::steady_clock::time_point deadline) {
    return wait_either_readable(fd, -1, deadline);  // poll(2) skips negative descriptors
}

bool wait_either_readable(int first, int second, std::chrono::steady_clock::time_point deadline) {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(
            deadline - std::chrono::steady_clock::now());
        std::array<pollfd, 2> items{{{.fd = first, .events = POLLIN, .revents = 0},
                                     {.fd = second, .events = POLLIN, .revents = 0}}};
        const auto timeout = std::min<long long>(left.count(), INT_MAX);
        const int ready =
            ::poll(items.data(), items.size(), timeout < 0 ? 0 : static_cast<int>(timeout));
        if (ready > 0) {
            return true;
        }
        if (ready == 0 && std::chrono::steady_clock::now() >= deadline) {
            return false;
        }
        if (ready < 0 && errno != EINTR) {
            const timespec pause{.tv_sec = 0, .tv_nsec = 1'000'000};
            ::nanosleep(&pause, nullptr);
            return false;
        }
    }
}

bool drain(int fd) noexcept {
    char buffer[4096];
    bool any = false;
    while (::read(fd, buffer, sizeof(buffer)) > 0) {
        any = true;
    }
    return any;
}

}  // namespace strata::ipc::os
