// SPDX-License-Identifier: Apache-2.0
// Reading and writing what may keep one waiting: pipes, sockets, terminals; files as well. Each
// call comes back after a while, so that who waits can be told to stop.
#pragma once

#include <chrono>
#include <cstddef>

#include "ipc/os/descriptor.hpp"

namespace strata::ipc::os {

/// Up to `size` bytes, what is there; 0: the end. EAGAIN: nothing came until the deadline.
Result<std::size_t> read_some(int fd, void* out, std::size_t size,
                              std::chrono::steady_clock::time_point deadline) noexcept;
/// The same for writing; not less than one byte. EPIPE if nobody reads any more and SIGPIPE is
/// ignored.
Result<std::size_t> write_some(int fd, const void* bytes, std::size_t size,
                               std::chrono::steady_clock::time_point deadline) noexcept;

}  // namespace strata::ipc::os
