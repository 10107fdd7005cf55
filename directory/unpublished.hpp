// SPDX-License-Identifier: Apache-2.0
// Names of files that are written to replace others: not listed, left over only by a crash.
#pragma once

#include <string>
#include <string_view>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

inline constexpr std::string_view unpublished_prefix = ".strata-part-";

inline bool is_unpublished(std::string_view name) noexcept {
    return name.starts_with(unpublished_prefix);
}
std::string unpublished_name();

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
