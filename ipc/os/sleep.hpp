// SPDX-License-Identifier: Apache-2.0
// Threads that sleep on a word, and waking them: by futexes on shared mappings, also read-only
// ones.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace strata::ipc::os {

inline constexpr std::uint32_t all_waiters = 0xFFFF'FFFF;
/// Sleeps while *word == expected, until the deadline (steady clock) or a wake for one of `mask`'s
/// bits. False on timeout.
bool futex_wait(const std::uint32_t* word, std::uint32_t expected,
                std::optional<std::chrono::steady_clock::time_point> deadline,
                std::uint32_t mask = all_waiters) noexcept;
/// Wakes all waiters that share a bit with `mask`.
void futex_wake(const std::uint32_t* word, std::uint32_t mask = all_waiters) noexcept;
/// Wakes up to `most`, the longest asleep first. Returns how many; `most` if the system refuses to
/// tell. Fewer than `most`: nobody is left.
unsigned futex_wake_some(const std::uint32_t* word, unsigned most) noexcept;

/// A word of this process that ends the sleep of threads waiting on a shared one.
using OwnWord = std::atomic<std::uint32_t>;
enum class Woken : unsigned char {
    perhaps,  // changed, woken, ended, or interrupted by a signal: check
    timeout,
    lost,  // the shared word's page is not there any more: nobody can sleep on it, or be woken by
           // it
};
/// As futex_wait, but ends at once as well when end_wait(own) is called, or was before. Where the
/// kernel cannot wait for two words (Linux before 5.16), that takes a second at most, unless the
/// caller wakes `mask` on the shared word, too.
Woken futex_wait_either(const std::uint32_t* word, std::uint32_t expected, const OwnWord& own,
                        std::optional<std::chrono::steady_clock::time_point> deadline,
                        std::uint32_t mask = all_waiters) noexcept;
/// Sleeps until end_wait(own) or the deadline.
void sleep_until_ended(const OwnWord& own, std::chrono::steady_clock::time_point deadline) noexcept;
void end_wait(OwnWord& own) noexcept;

}  // namespace strata::ipc::os
