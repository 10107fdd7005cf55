// SPDX-License-Identifier: Apache-2.0
#include "tests/support/system_calls.hpp"

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <ctime>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace strata::test {

namespace {

thread_local std::uint64_t calls_left = 0;  // 0: nothing is to fail
thread_local const char* failed = nullptr;
thread_local int failed_with = 0;

thread_local BeforeOpening* before_opening = nullptr;

std::atomic<unsigned> interruptions{0};
std::atomic<std::uint64_t> interrupted{0};
thread_local unsigned interruptions_left = 0;
thread_local bool paused = false;

/// A clock that says what a test wants, once it is set.
struct OwnClock {
    std::atomic<bool> is_set{false};
    std::mutex mutex;
    std::function<std::int64_t()> function;

    void set(std::function<std::int64_t()> wanted) {
        const std::lock_guard lock(mutex);
        function = std::move(wanted);
        is_set = true;
    }
    [[maybe_unused]] bool tell(struct timespec* now) {
        if (!is_set.load(std::memory_order_relaxed)) return false;
        const std::lock_guard lock(mutex);
        const std::int64_t ns = function();
        now->tv_sec = ns / 1'000'000'000;
        now->tv_nsec = ns % 1'000'000'000;
        return true;
    }
};
OwnClock wall_clock;
OwnClock steady_clock;

std::atomic<bool> armed_anywhere{false};
std::atomic<std::int64_t> calls_left_anywhere{0};
std::atomic<int> error_anywhere{0};
std::atomic<bool> fails_for_good{false};
std::atomic<bool> kills{false};
std::atomic<bool> streams_count{false};
std::atomic<const char*> failed_anywhere{nullptr};

// True if this is the call that is to fail, of those of all threads.
[[maybe_unused]] bool fails_anywhere(const char* name, int error) noexcept {
    if (paused || !armed_anywhere.load()) return false;
    const std::int64_t left = calls_left_anywhere.fetch_sub(1);
    if (left > 1 || (left < 1 && !fails_for_good)) return false;
    if (kills) {
        ::kill(::getpid(), SIGKILL);
        ::pause();
    }
    armed_anywhere = fails_for_good.load();
    if (left == 1) failed_anywhere = name;
    errno = error_anywhere.load() != 0 ? error_anywhere.load() : error;
    return true;
}

// True if this is the call that is to fail; errno is set then.
[[maybe_unused]] bool fails(const char* name, int error) noexcept {
    if (fails_anywhere(name, error)) return true;
    if (paused || calls_left == 0 || --calls_left != 0) return false;
    failed = name;
    failed_with = error;
    errno = error;
    return true;
}

// True as often as was asked for, then once false.
[[maybe_unused]] bool interrupts() noexcept {
    const unsigned times = interruptions.load(std::memory_order_relaxed);
    if (times == 0 || paused) return false;
    if (interruptions_left == 0) {
        interruptions_left = times;
    } else if (--interruptions_left == 0) {
        return false;
    }
    interrupted.fetch_add(1, std::memory_order_relaxed);
    errno = EINTR;
    return true;
}

template <class Function>
[[maybe_unused]] Function* next(const char* name, Function*& known) noexcept {
    if (known == nullptr) {
        known = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
    }
    return known;
}

}  // namespace

FailingCall::FailingCall(std::uint64_t n) {
    failed = nullptr;
    calls_left = n;
}
FailingCall::~FailingCall() { calls_left = 0; }
bool FailingCall::happened() noexcept { return failed != nullptr; }
std::string FailingCall::name() { return failed != nullptr ? failed : "none"; }
int FailingCall::error() noexcept { return failed_with; }
FailingCallAnywhere::FailingCallAnywhere(std::uint64_t n, int error, bool for_good) {
    failed_anywhere = nullptr;
    error_anywhere = error;
    fails_for_good = for_good;
    calls_left_anywhere = static_cast<std::int64_t>(n);
    armed_anywhere = true;
}
FailingCallAnywhere::~FailingCallAnywhere() { armed_anywhere = false; }
KillingCall::KillingCall(std::uint64_t n) {
    streams_count = true;
    kills = true;
    calls_left_anywhere = static_cast<std::int64_t>(n);
    armed_anywhere = true;
}
KillingCall::~KillingCall() {
    armed_anywhere = false;
    kills = false;
    streams_count = false;
}
StreamCalls::StreamCalls() noexcept { streams_count = true; }
StreamCalls::~StreamCalls() { streams_count = false; }
bool FailingCallAnywhere::happened() noexcept { return failed_anywhere.load() != nullptr; }
std::string FailingCallAnywhere::name() {
    const char* const name = failed_anywhere.load();
    return name != nullptr ? name : "none";
}
BeforeOpening::BeforeOpening(std::string name, std::function<void()> act)
    : name_(std::move(name)), act_(std::move(act)) {
    before_opening = this;
}
BeforeOpening::~BeforeOpening() { before_opening = nullptr; }
void BeforeOpening::opening(std::string_view name) {
    if (!happened_ && name == name_) {
        happened_ = true;  // first: what `act_` opens is opened as it is
        act_();
    }
}
OwnCalls::OwnCalls() noexcept { paused = true; }
OwnCalls::~OwnCalls() { paused = false; }

Interruptions::Interruptions(unsigned times) {
    interrupted = 0;
    interruptions_left = 0;
    interruptions = times;
}
Interruptions::~Interruptions() { interruptions = 0; }
std::uint64_t Interruptions::count() noexcept { return interrupted.load(); }

WallClock::WallClock(std::function<std::int64_t()> clock) { wall_clock.set(std::move(clock)); }
WallClock::~WallClock() { wall_clock.is_set = false; }

SteadyClock::SteadyClock(std::function<std::int64_t()> clock) {
    steady_clock.set(std::move(clock));
}
SteadyClock::~SteadyClock() { steady_clock.is_set = false; }

}  // namespace strata::test

#if STRATA_OWN_SYSTEM_CALLS
using strata::test::before_opening;
using strata::test::fails;
using strata::test::fails_anywhere;
using strata::test::interrupts;
using strata::test::next;

// The C library's names. What they return and set on failure is theirs, too.
extern "C" {

int posix_fallocate(int fd, off_t offset, off_t bytes) {
    if (fails("posix_fallocate", ENOSPC)) return errno;
    if (interrupts()) return EINTR;
    static decltype(::posix_fallocate)* real = nullptr;
    return next("posix_fallocate", real)(fd, offset, bytes);
}

int fallocate(int fd, int mode, off_t offset, off_t bytes) {
    if (fails("fallocate", EOPNOTSUPP) || interrupts()) return -1;
    static decltype(::fallocate)* real = nullptr;
    return next("fallocate", real)(fd, mode, offset, bytes);
}

int openat(int directory, const char* name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (before_opening != nullptr) before_opening->opening(name);
    if (fails((flags & O_CREAT) != 0 ? "openat (create)" : "openat",
              (flags & O_CREAT) != 0 ? ENOSPC : EMFILE) ||
        interrupts()) {
        return -1;
    }
    static decltype(::openat)* real = nullptr;
    return next("openat", real)(directory, name, flags, mode);
}

int open(const char* name, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    if (fails("open", ENFILE) || interrupts()) return -1;
    static decltype(::open)* real = nullptr;
    return next("open", real)(name, flags, mode);
}

int mkdirat(int directory, const char* name, mode_t mode) noexcept {
    if (fails("mkdirat", ENOSPC)) return -1;
    static decltype(::mkdirat)* real = nullptr;
    return next("mkdirat", real)(directory, name, mode);
}

int unlinkat(int directory, const char* name, int flags) noexcept {
    if (fails("unlinkat", EBUSY)) return -1;
    static decltype(::unlinkat)* real = nullptr;
    return next("unlinkat", real)(directory, name, flags);
}

struct dirent* readdir(DIR* stream) {
    if (fails("readdir", EIO)) return nullptr;
    static decltype(::readdir)* real = nullptr;
    return next("readdir", real)(stream);
}

int eventfd(unsigned count, int flags) noexcept {
    if (fails("eventfd", EMFILE)) return -1;
    static decltype(::eventfd)* real = nullptr;
    return next("eventfd", real)(count, flags);
}

int fchmod(int fd, mode_t mode) noexcept {
    if (fails("fchmod", EPERM)) return -1;
    static decltype(::fchmod)* real = nullptr;
    return next("fchmod", real)(fd, mode);
}

int fchmodat(int directory, const char* name, mode_t mode, int flags) noexcept {
    if (fails("fchmodat", EPERM)) return -1;
    static decltype(::fchmodat)* real = nullptr;
    return next("fchmodat", real)(directory, name, mode, flags);
}

int renameat2(int from, const char* old_name, int to, const char* new_name,
              unsigned flags) noexcept {
    if (fails("renameat2", ENOSPC)) return -1;
    static decltype(::renameat2)* real = nullptr;
    return next("renameat2", real)(from, old_name, to, new_name, flags);
}

int renameat(int from, const char* old_name, int to, const char* new_name) noexcept {
    if (fails_anywhere("renameat", EBUSY)) return -1;
    static decltype(::renameat)* real = nullptr;
    return next("renameat", real)(from, old_name, to, new_name);
}

int fstat(int fd, struct stat* status) noexcept {
    if (fails("fstat", EIO)) return -1;
    static decltype(::fstat)* real = nullptr;
    return next("fstat", real)(fd, status);
}

ssize_t pread(int fd, void* out, size_t size, off_t offset) {
    if (fails("pread", EIO) || interrupts()) return -1;
    static decltype(::pread)* real = nullptr;
    return next("pread", real)(fd, out, size, offset);
}

ssize_t write(int fd, const void* bytes, size_t size) {
    // Of files alone: an event is signalled by a write that no disk can refuse.
    static decltype(::fstat)* status_of = nullptr;
    struct stat status {};
    if (next("fstat", status_of)(fd, &status) == 0 &&
        (S_ISREG(status.st_mode) ||
         (S_ISFIFO(status.st_mode) && strata::test::streams_count.load())) &&
        fails_anywhere("write", ENOSPC)) {
        return -1;
    }
    static decltype(::write)* real = nullptr;
    return next("write", real)(fd, bytes, size);
}

ssize_t read(int fd, void* out, size_t size) {
    if (strata::test::streams_count.load() && fails_anywhere("read", EIO)) return -1;
    static decltype(::read)* real = nullptr;
    return next("read", real)(fd, out, size);
}

int poll(struct pollfd* items, nfds_t count, int timeout) {
    if (strata::test::streams_count.load() && fails_anywhere("poll", ENOMEM)) return -1;
    static decltype(::poll)* real = nullptr;
    return next("poll", real)(items, count, timeout);
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
    if (fails_anywhere("pwrite", EIO)) return -1;
    static decltype(::pwrite)* real = nullptr;
    return next("pwrite", real)(fd, bytes, size, offset);
}

int fsync(int fd) {
    if (fails_anywhere("fsync", EIO)) return -1;
    static decltype(::fsync)* real = nullptr;
    return next("fsync", real)(fd);
}

int fdatasync(int fd) {
    if (fails_anywhere("fdatasync", EIO)) return -1;
    static decltype(::fdatasync)* real = nullptr;
    return next("fdatasync", real)(fd);
}

void* mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
    if (fd >= 0 && (flags & MAP_SHARED) != 0 && fails("mmap", ENOMEM)) return MAP_FAILED;
    static decltype(::mmap)* real = nullptr;
    return next("mmap", real)(address, size, protection, flags, fd, offset);
}

int fcntl(int fd, int command, ...) {
    va_list arguments;
    va_start(arguments, command);
    void* const argument = va_arg(arguments, void*);
    va_end(arguments);
    if (command == F_OFD_SETLK && static_cast<struct flock*>(argument)->l_type != F_UNLCK &&
        fails("fcntl (lock)", ENOLCK)) {
        return -1;
    }
    if (command == F_OFD_GETLK && fails("fcntl (question)", ENOMEM)) return -1;
    if ((command == F_OFD_SETLK || command == F_OFD_SETLKW) && interrupts()) return -1;
    static decltype(::fcntl)* real = nullptr;
    return next("fcntl", real)(fd, command, argument);
}

int clock_gettime(clockid_t clock, struct timespec* now) noexcept {
    using namespace strata::test;
    if (clock == CLOCK_REALTIME && wall_clock.tell(now)) return 0;
    if (clock == CLOCK_MONOTONIC && steady_clock.tell(now)) return 0;
    static decltype(::clock_gettime)* real = nullptr;
    return next("clock_gettime", real)(clock, now);
}
}
#endif
