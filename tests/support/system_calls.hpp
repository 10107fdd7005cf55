// SPDX-License-Identifier: Apache-2.0
// System calls that fail when a test says so. A program that is linked with system_calls.cpp has
// functions of its own under the C library's names, so the library is tested as it is shipped.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace strata::test {

/// ThreadSanitizer calls some of these functions before the program is set up for it: nothing fails
/// in its builds.
#if defined(__SANITIZE_THREAD__)
#define STRATA_OWN_SYSTEM_CALLS 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define STRATA_OWN_SYSTEM_CALLS 0
#endif
#endif
#ifndef STRATA_OWN_SYSTEM_CALLS
#define STRATA_OWN_SYSTEM_CALLS 1
#endif
inline constexpr bool calls_can_fail = STRATA_OWN_SYSTEM_CALLS != 0;

/// While it lives, the nth of the calls below (from 1), made by this thread, fails once.
class FailingCall {
public:
    explicit FailingCall(std::uint64_t n);
    FailingCall(const FailingCall&) = delete;
    FailingCall& operator=(const FailingCall&) = delete;
    ~FailingCall();

    /// Whether there was an nth call; then its name.
    static bool happened() noexcept;
    static std::string name();
    /// The errno that it got.
    static int error() noexcept;
};

/// While it lives, the nth of the calls below, or of write, pwrite, renameat, fsync and fdatasync,
/// made by any thread, fails once: with this errno, or with its own usual one if that is 0.
/// `for_good`: all that come after it fail as well.
class FailingCallAnywhere {
public:
    explicit FailingCallAnywhere(std::uint64_t n, int error = 0, bool for_good = false);
    FailingCallAnywhere(const FailingCallAnywhere&) = delete;
    FailingCallAnywhere& operator=(const FailingCallAnywhere&) = delete;
    ~FailingCallAnywhere();

    /// Whether there was an nth call; then its name, also when the object has gone.
    static bool happened() noexcept;
    static std::string name();
};

/// While it lives, the nth of those calls, or of read, poll and write on whatever descriptor, by
/// any thread, ends the process as kill -9 does. For forked children.
class KillingCall {
public:
    explicit KillingCall(std::uint64_t n);
    KillingCall(const KillingCall&) = delete;
    KillingCall& operator=(const KillingCall&) = delete;
    ~KillingCall();
};

/// While it lives, FailingCallAnywhere also counts read, poll and writes to pipes.
class StreamCalls {
public:
    StreamCalls() noexcept;
    StreamCalls(const StreamCalls&) = delete;
    StreamCalls& operator=(const StreamCalls&) = delete;
    ~StreamCalls();
};

/// While it lives, this thread's calls are the test's own: they neither count nor fail, and are not
/// interrupted. Not to be nested.
class OwnCalls {
public:
    OwnCalls() noexcept;
    OwnCalls(const OwnCalls&) = delete;
    OwnCalls& operator=(const OwnCalls&) = delete;
    ~OwnCalls();
};

/// While it lives: when this thread first opens a file of that name, in whatever directory, `act`
/// comes first.
class BeforeOpening {
public:
    BeforeOpening(std::string name, std::function<void()> act);
    BeforeOpening(const BeforeOpening&) = delete;
    BeforeOpening& operator=(const BeforeOpening&) = delete;
    ~BeforeOpening();

    /// Whether it was opened.
    bool happened() const noexcept { return happened_; }
    void opening(std::string_view name);

private:
    const std::string name_;
    const std::function<void()> act_;
    bool happened_ = false;
};

/// While it lives, every call that may be interrupted by a signal is, `times` times in a row.
class Interruptions {
public:
    explicit Interruptions(unsigned times);
    Interruptions(const Interruptions&) = delete;
    Interruptions& operator=(const Interruptions&) = delete;
    ~Interruptions();

    static std::uint64_t count() noexcept;
};

/// While it lives, CLOCK_REALTIME is what `clock` says (nanoseconds), in all threads.
class WallClock {
public:
    explicit WallClock(std::function<std::int64_t()> clock);
    WallClock(const WallClock&) = delete;
    WallClock& operator=(const WallClock&) = delete;
    ~WallClock();
};

/// The same with CLOCK_MONOTONIC, for what does not wait meanwhile.
class SteadyClock {
public:
    explicit SteadyClock(std::function<std::int64_t()> clock);
    SteadyClock(const SteadyClock&) = delete;
    SteadyClock& operator=(const SteadyClock&) = delete;
    ~SteadyClock();
};

}  // namespace strata::test
