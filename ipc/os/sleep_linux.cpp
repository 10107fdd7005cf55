// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <climits>
#include <ctime>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/os/sleep.hpp"

namespace strata::ipc::os {

namespace {

timespec time_of(std::chrono::steady_clock::time_point deadline) noexcept {
    const auto ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count();
    return {.tv_sec = static_cast<time_t>(ns / 1'000'000'000),
            .tv_nsec = static_cast<long>(ns % 1'000'000'000)};
}

// As the system call: an errno, or 0.
int futex_wait_until(const void* word, int flags, std::uint32_t expected, const timespec* until,
                     std::uint32_t mask) noexcept {
    // FUTEX_WAIT_BITSET takes an absolute CLOCK_MONOTONIC time: no drift over repeated waits.
    const long result =
        ::syscall(SYS_futex, word, FUTEX_WAIT_BITSET | flags, expected, until, nullptr, mask);
    return result == 0 ? 0 : errno;
}

// Not in the headers of all systems that this is built on.
struct WaitVector {
    std::uint64_t value;
    std::uint64_t address;
    std::uint32_t flags;
    std::uint32_t reserved;
};
constexpr long futex_waitv_number = 449;  // on all architectures but alpha
constexpr std::uint32_t futex_32 = 2;
constinit std::atomic<bool> can_wait_for_two{true};

Woken woken_by(int error) noexcept {
    return error == ETIMEDOUT ? Woken::timeout : error == EFAULT ? Woken::lost : Woken::perhaps;
}

}  // namespace

bool futex_wait(const std::uint32_t* word, std::uint32_t expected,
                std::optional<std::chrono::steady_clock::time_point> deadline,
                std::uint32_t mask) noexcept {
    const timespec until = time_of(deadline.value_or(std::chrono::steady_clock::time_point()));
    // Not FUTEX_PRIVATE: the key must be the file's page, shared by all processes.
    const int error = futex_wait_until(word, 0, expected, deadline ? &until : nullptr, mask);
    return !(deadline && error == ETIMEDOUT);
}

Woken futex_wait_either(const std::uint32_t* word, std::uint32_t expected, const OwnWord& own,
                        std::optional<std::chrono::steady_clock::time_point> deadline,
                        std::uint32_t mask) noexcept {
    using Clock = std::chrono::steady_clock;
    if (can_wait_for_two.load(std::memory_order_relaxed)) {
        const WaitVector words[2] = {
            {expected, reinterpret_cast<std::uintptr_t>(word), futex_32, 0},
            {0, reinterpret_cast<std::uintptr_t>(&own), futex_32 | FUTEX_PRIVATE_FLAG, 0}};
        const timespec until = time_of(deadline.value_or(Clock::time_point()));
        const long result = ::syscall(futex_waitv_number, words, 2, 0, deadline ? &until : nullptr,
                                      CLOCK_MONOTONIC);
        if (result >= 0) {
            return Woken::perhaps;
        }
        if (errno != ENOSYS && errno != EPERM) {  // EPERM: a sandbox that does not know it
            return woken_by(errno);
        }
        can_wait_for_two.store(false, std::memory_order_relaxed);
    }
    if (own.load(std::memory_order_acquire) != 0) {
        return Woken::perhaps;
    }
    const auto look_again = Clock::now() + std::chrono::seconds(1);
    const bool shortened = !deadline || look_again < *deadline;
    const timespec until = time_of(shortened ? look_again : *deadline);
    const Woken woken = woken_by(futex_wait_until(word, 0, expected, &until, mask));
    return woken == Woken::timeout && shortened ? Woken::perhaps : woken;
}

void sleep_until_ended(const OwnWord& own,
                       std::chrono::steady_clock::time_point deadline) noexcept {
    const timespec until = time_of(deadline);
    futex_wait_until(&own, FUTEX_PRIVATE_FLAG, 0, &until, all_waiters);
}

void end_wait(OwnWord& own) noexcept {
    own.store(1, std::memory_order_release);
    ::syscall(SYS_futex, &own, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr, nullptr, 0);
}

void futex_wake(const std::uint32_t* word, std::uint32_t mask) noexcept {
    ::syscall(SYS_futex, word, FUTEX_WAKE_BITSET, INT_MAX, nullptr, nullptr, mask);
}

unsigned futex_wake_some(const std::uint32_t* word, unsigned most) noexcept {
    const long woken = ::syscall(SYS_futex, word, FUTEX_WAKE, most, nullptr, nullptr, 0);
    return woken < 0 ? most : static_cast<unsigned>(woken);
}

}  // namespace strata::ipc::os
