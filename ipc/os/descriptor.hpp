// SPDX-License-Identifier: Apache-2.0
// What a call of this layer gives: a descriptor that closes itself, and a value or an errno.
#pragma once

#include <utility>

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
    /// Releases it to the caller, who closes it.
    int release() noexcept { return std::exchange(fd_, -1); }

private:
    int fd_ = -1;
};

namespace os {

/// A failed call: errno. A successful one: the value.
template <class T>
struct Result {
    T value{};
    int error = 0;
    explicit operator bool() const noexcept { return error == 0; }
};

/// Whether an errno says that there is no room: of the file system, or of this user's quota.
bool is_full(int error) noexcept;
/// What to try then.
inline constexpr const char* full_hint = "enlarge it (for /dev/shm in a container: --shm-size)";

}  // namespace os
}  // namespace strata::ipc
