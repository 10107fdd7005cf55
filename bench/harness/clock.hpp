// SPDX-License-Identifier: Apache-2.0
// Time in nanoseconds, comparable between processes of one machine.
#pragma once

#include <chrono>
#include <cstdint>

namespace strata::bench {

/// CLOCK_MONOTONIC through the vDSO: about 20 ns a call, no system call.
inline std::int64_t now_ns() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// Nanoseconds since construction.
class Stopwatch {
public:
    std::int64_t ns() const noexcept { return now_ns() - start_; }
    double seconds() const noexcept { return static_cast<double>(ns()) / 1e9; }

private:
    std::int64_t start_ = now_ns();
};

}  // namespace strata::bench
