// SPDX-License-Identifier: Apache-2.0
// The fourteen core dimensions D01 to D14. Users may define any others.
#pragma once

#include <array>
#include <string_view>

#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// Names of the dimensions 1 to 14, in order.
inline constexpr std::array<std::string_view, 14> core_dimension_names = {
    "Emotion",  "Cognition", "Intention", "Social",     "Temporal",   "Philosophical", "Technical",
    "Creative", "Ethical",   "Meta",      "Ecological", "Positivity", "Balance",       "Security"};

/// The name of a core dimension, or an empty view for any other number.
[[nodiscard]] constexpr std::string_view core_dimension_name(Dimension dimension) noexcept {
    return dimension >= 1 && dimension <= core_dimension_names.size()
               ? core_dimension_names[dimension - 1]
               : std::string_view{};
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
