// SPDX-License-Identifier: Apache-2.0
// What the errors of directories say: the file, its size, the limit that was hit with its present
// value, and what to try.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "directory/chunk_map.hpp"
#include "strata/error.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

/// Throws invalid_name unless `name` is a single component.
void check_file_name(std::string_view operation, std::string_view name);

/// Whether a look at a name that failed so says that there is no such file: no name, or a link to
/// none, to itself, through a file.
bool leads_nowhere(int errno_value) noexcept;

/// A call on a file failed.
[[noreturn, gnu::cold]] void fail_file(int errno_value, std::string_view operation,
                                       const std::string& path, std::string detail);

/// What was to be mapped when it failed.
struct MapAttempt {
    std::uint64_t size = 0;  ///< of the file
    unsigned chunk_power = 0;
    std::uint64_t most_mappings = 0;  ///< of the directory
};
/// Finds out which limit it was.
[[gnu::cold]] Error map_failure(const MapFailure& failure, const std::string& path,
                                const MapAttempt& attempt);
/// There was no memory for the copy of a small file.
[[gnu::cold]] Error group_failure(const std::string& path, std::uint64_t size);

/// There was no memory for `needed` bytes, for what `detail` says.
[[noreturn, gnu::cold]] void fail_memory(std::string_view operation, const std::string& path,
                                         std::uint64_t needed, std::string detail,
                                         std::string hint);

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
