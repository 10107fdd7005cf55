// SPDX-License-Identifier: Apache-2.0
// The last of a file system's space, which only a commit that gives memory back may take: like the
// budget's reserve, but of what the kernel has instead of what the limit allows.
#pragma once

#include <cstdint>

#include "ipc/os.hpp"
#include "producer/memory/memory_budget.hpp"

namespace strata::producer_impl {

/// Whether the file system of `file` keeps enough for commits that only erase when `bytes` more of
/// it are taken: a sixteenth of its size, or as much as `limit` keeps if that is less. Others may
/// take that nevertheless, so growing a file can fail all the same. True where it cannot be known:
/// the system decides then. A system call, unless `reserve` is `use`.
bool leaves_reserve(const ipc::FileDescriptor& file, std::uint64_t bytes, Reserve reserve,
                    std::uint64_t limit) noexcept;

}  // namespace strata::producer_impl
