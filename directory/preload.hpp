// SPDX-License-Identifier: Apache-2.0
// Advice to the kernel, and bringing parts of a mapping into memory and into the page table.
#pragma once

#include <cstdint>

#include "ipc/os/named_files.hpp"
#include "strata/file_view.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

class OpenFile;

ipc::os::Advice advice_to_kernel(ReadAdvice advice) noexcept;

/// At once: so that others need not wait long in the background, and that threads share the work.
inline constexpr std::uint64_t preload_step = std::uint64_t{8} << 20;

/// A part of a file that is mapped, of at least a byte; by several threads if it is larger than a
/// step. 0 or an errno: EFAULT (not in the file any more), EIO.
int preload_part(const OpenFile& file, std::uint64_t offset, std::uint64_t size) noexcept;
/// All of it, in huge pages if there are any to be had.
int preload_whole(const OpenFile& file) noexcept;

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
