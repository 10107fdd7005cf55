// SPDX-License-Identifier: Apache-2.0
// Throwing strata::Error about the files of a volume.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "strata/error.hpp"

namespace strata::volume_impl {

/// The code that fits an errno of a call on a volume's files.
Errc errc_of(int errno_value) noexcept;

[[noreturn, gnu::cold]] void fail_file(int errno_value, std::string_view operation,
                                       const std::filesystem::path& path, std::string detail,
                                       std::string hint = {});
[[noreturn, gnu::cold]] void fail_corrupt(std::string_view operation,
                                          const std::filesystem::path& path, std::string detail,
                                          std::string hint = {});
/// The path in full, without a slash or a dot at its end: its last component is the name that is
/// meant, and its parent where that is.
std::filesystem::path absolute_place(const std::filesystem::path& path, std::string_view operation);

/// A size would exceed its limit.
[[noreturn, gnu::cold]] void fail_limit(std::string_view operation,
                                        const std::filesystem::path& path, std::string detail,
                                        std::uint64_t needed, std::uint64_t limit,
                                        std::string hint);

}  // namespace strata::volume_impl
