// SPDX-License-Identifier: Apache-2.0
// When a wait is over. Durations are the user's: the longest ones mean "for ever", and must not
// wrap around into the past.
#pragma once

#include <chrono>

namespace strata::ipc {

/// `wait` from now, or the last time that the clock has if that is sooner; now if it is negative.
template <class Rep, class Period>
std::chrono::steady_clock::time_point deadline_after(
    const std::chrono::duration<Rep, Period>& wait) noexcept {
    using Clock = std::chrono::steady_clock;
    using Wait = std::chrono::duration<Rep, Period>;
    const Clock::time_point now = Clock::now();
    if (wait <= Wait::zero()) {
        return now;
    }
    // Compared in the caller's unit: in the clock's a long one has no room.
    return wait < std::chrono::floor<Wait>(Clock::time_point::max() - now)
               ? now + wait
               : Clock::time_point::max();
}

}  // namespace strata::ipc
