// SPDX-License-Identifier: Apache-2.0
// Files read through a buffer by system calls: for file systems that cannot map, for memory that
// must not be mapped, and what a MappedDirectory falls back to.
#pragma once

#include <cstddef>
#include <filesystem>

#include "strata/file_directory.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

struct BufferedDirectoryOptions {
    /// Of each input that reads; taken at its first read. Larger reads go past it.
    std::size_t buffer_bytes = 8_KiB;
};

/// Inputs behave as those of a MappedDirectory, except that views are copies and that each open
/// file takes a descriptor, which its copies and slices share.
class BufferedDirectory : public FileDirectory {
public:
    /// Throws file_not_found (also of what is no directory), permission_denied, invalid_argument (a
    /// buffer of 0 bytes or > 1 GiB), limit_exceeded (descriptors), system.
    explicit BufferedDirectory(const std::filesystem::path& path,
                               const BufferedDirectoryOptions& options = {});
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE
