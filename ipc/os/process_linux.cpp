// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/os/linux_calls.hpp"
#include "ipc/os/process.hpp"

namespace strata::ipc::os {

namespace {

// The library may be unloaded while threads go on that `act`, its code, waits for.
constexpr std::uint64_t no_key = ~std::uint64_t{0};
constexpr std::uint64_t unloaded = no_key - 1;
constinit std::atomic<std::uint64_t> thread_end_key{no_key};
[[gnu::destructor]] void forget_thread_ends() noexcept {
    if (const std::uint64_t key = thread_end_key.exchange(unloaded); key < unloaded) {
        ::pthread_key_delete(static_cast<pthread_key_t>(key));
    }
}

// Registering takes nanoseconds while the process has one thread; later the kernel waits for all
// processors, 10 ms, in which a first snapshot would have to wait. A refusal is none yet: whoever
// needs barriers asks again.
[[gnu::constructor]] void register_barriers_when_loaded() noexcept { register_barriers(); }

}  // namespace

bool register_barriers() noexcept {
    return ::syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
}

bool barrier_all_threads() noexcept {
    return ::syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) == 0;
}

int random_bytes(void* out, std::size_t size) noexcept {
    // So few bytes come all at once, or not at all.
    return retry([&] { return ::getrandom(out, size, 0); }) == static_cast<ssize_t>(size) ? 0
                                                                                          : errno;
}

std::int64_t realtime_ns() noexcept {
    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

std::int64_t process_id() noexcept { return ::getpid(); }

// Not a thread_local object with a destructor: the first one of a process makes it touch so many
// pages of the C++ runtime and the loader that a tenth of an attachment's time went there.
//
// Nor a static local: a fork while a thread makes it would leave its guard locked in the child.
bool at_thread_end(void (*act)(void*), void* value) noexcept {
    std::uint64_t key = thread_end_key.load(std::memory_order_acquire);
    if (key == no_key) {
        pthread_key_t made{};
        if (::pthread_key_create(&made, act) != 0) {
            return false;
        }
        if (thread_end_key.compare_exchange_strong(key, made, std::memory_order_acq_rel)) {
            key = made;
        } else {
            ::pthread_key_delete(made);  // another thread was quicker
        }
    }
    return key != unloaded && ::pthread_setspecific(static_cast<pthread_key_t>(key), value) == 0;
}

BlockedSignals::BlockedSignals() noexcept {
    sigset_t all;
    sigfillset(&all);
    // A fault of the thread's own that is blocked ends the process, whatever handler there is.
    for (const int fault : {SIGBUS, SIGSEGV, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
        sigdelset(&all, fault);
    }
    sigset_t before;
    pthread_sigmask(SIG_SETMASK, &all, &before);
    static_assert(sizeof(before) <= sizeof(before_));
    std::memcpy(before_.data(), &before, sizeof(before));
}

BlockedSignals::~BlockedSignals() {
    sigset_t before;
    std::memcpy(&before, before_.data(), sizeof(before));
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

std::uint32_t effective_user() noexcept { return ::geteuid(); }

const char* environment(const char* name) noexcept { return ::secure_getenv(name); }

bool at_fork(void (*prepare)(), void (*parent)(), void (*child)()) noexcept {
    return ::pthread_atfork(prepare, parent, child) == 0;
}

int reserve_nothing() noexcept { return MAP_NORESERVE; }

void dont_fork(void* address, std::size_t size) noexcept {
    // Failure only means that a child inherits the mapping; it has no business to use it anyway.
    ::madvise(address, size, MADV_DONTFORK);
}

}  // namespace strata::ipc::os
