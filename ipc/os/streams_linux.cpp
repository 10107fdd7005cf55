// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <climits>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ipc/os/streams.hpp"

namespace strata::ipc::os {

namespace {

using std::chrono::steady_clock;

// 0: the next call will not wait (or fails, and says why).
int wait_ready(int fd, short events, steady_clock::time_point deadline) noexcept {
    for (;;) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(deadline - steady_clock::now()).count();
        pollfd item{.fd = fd, .events = events, .revents = 0};
        const int ready =
            ::poll(&item, 1, static_cast<int>(std::clamp<long long>(left, 0, INT_MAX)));
        if (ready > 0) {
            return 0;
        }
        if (ready < 0 && errno != EINTR) {
            return errno;
        }
        if (steady_clock::now() >= deadline) {
            return EAGAIN;
        }
    }
}

}  // namespace

Result<std::size_t> read_some(int fd, void* out, std::size_t size,
                              steady_clock::time_point deadline) noexcept {
    for (;;) {
        if (const int error = wait_ready(fd, POLLIN, deadline)) {
            return {0, error};
        }
        const ssize_t got = ::read(fd, out, size);
        if (got >= 0) {
            return {static_cast<std::size_t>(got), 0};
        }
        // EAGAIN: another reader of the pipe was quicker.
        if ((errno != EINTR && errno != EAGAIN) || steady_clock::now() >= deadline) {
            return {0, errno == EINTR ? EAGAIN : errno};
        }
    }
}

Result<std::size_t> write_some(int fd, const void* bytes, std::size_t size,
                               steady_clock::time_point deadline) noexcept {
    // A pipe that is ready has room for so much; more would wait for the reader.
    struct stat status {};
    const bool file = ::fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    const std::size_t at_once = file ? size : std::min<std::size_t>(size, PIPE_BUF);
    for (;;) {
        if (const int error = wait_ready(fd, POLLOUT, deadline)) {
            return {0, error};
        }
        const ssize_t put = ::write(fd, bytes, at_once);
        if (put > 0) {
            return {static_cast<std::size_t>(put), 0};
        }
        if (put == 0) {
            return {0, EIO};  // never for what was ready, but it would not end
        }
        if ((errno != EINTR && errno != EAGAIN) || steady_clock::now() >= deadline) {
            return {0, errno == EINTR ? EAGAIN : errno};
        }
    }
}

}  // namespace strata::ipc::os
