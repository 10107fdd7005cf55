// SPDX-License-Identifier: Apache-2.0
// Durations of any unit as whole nanoseconds, without overflow.
#pragma once

#include <chrono>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

/// Towards zero; -1 for what is negative, not a number, or does not fit.
template <class Rep, class Period>
constexpr std::chrono::nanoseconds whole_nanoseconds(
    const std::chrono::duration<Rep, Period>& time) noexcept {
    using std::chrono::nanoseconds;
    // In floating point, because the integer product may not fit. The bound is 2^63 there: at and
    // above it nothing fits, and whatever lies below does.
    using Approximate = std::chrono::duration<double, std::nano>;
    const bool fits = time >= std::chrono::duration<Rep, Period>::zero() &&
                      Approximate(time) < Approximate(nanoseconds::max());
    return fits ? std::chrono::duration_cast<nanoseconds>(time) : nanoseconds(-1);
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
