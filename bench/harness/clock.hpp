// SPDX-License-Identifier: Apache-2.0
// Time in nanoseconds, comparable between processes of one machine.
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

namespace strata::bench {

/// CLOCK_MONOTONIC through the vDSO: about 20 ns a call, no system call.
inline std::int64_t now_ns() noexcept {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

/// CPU time of the calling thread: what remains of a measurement when others want the CPU too.
inline std::int64_t thread_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// Nanoseconds since construction.
class Stopwatch {
public:
    std::int64_t ns() const noexcept { return now_ns() - start_; }
    double seconds() const noexcept { return static_cast<double>(ns()) / 1e9; }

private:
    std::int64_t start_ = now_ns();
};

/// The same of the thread's CPU time. For work that never sleeps.
class CpuStopwatch {
public:
    std::int64_t ns() const noexcept { return thread_ns() - start_; }
    double seconds() const noexcept { return static_cast<double>(ns()) / 1e9; }

private:
    std::int64_t start_ = thread_ns();
};

}  // namespace strata::bench
