// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <mutex>

#include "ipc/fork_hooks.hpp"
#include "ipc/format/atomic_word.hpp"
#include "ipc/os/fault.hpp"
#include "ipc/os/fault_ranges.hpp"

namespace strata::ipc {

namespace {

// Guarded by ProcessLock::fault_handler; the handler reads the two predecessors, which stand before
// it is installed.
struct Installation {
    unsigned keepers = 0;  // FaultHandlers: objects, which a forked child has, too
    unsigned guarded_threads = 0;
    struct sigaction previous {};
    // A handler installed after ours may call ours as its predecessor at any time. If we are
    // installed again, above it, what it passes on goes to the handler that was there before all.
    struct sigaction beneath {};
    bool left_behind = false;  // we could not be removed: the handler was not ours any more
};
constinit Installation installation{};

/// Written by the handler, in the thread that it interrupts.
struct ThreadState {
    unsigned depth = 0;
    std::atomic<std::uint64_t> faults{0};
    std::atomic<const MappedRange*> range{nullptr};
    std::atomic<std::uint64_t> offset{0};
    // The signal that is being passed on, and the frame that does it.
    const void* passed_context = nullptr;
    std::uintptr_t passing_frame = 0;
};
// The model that needs no allocation at the first access, which may be the handler's.
[[gnu::tls_model("initial-exec")]] constinit thread_local ThreadState this_thread;

bool survive(std::uintptr_t at) noexcept {
    Fault fault;
    if (!survive_fault(at, this_thread.depth > 0, fault)) {
        return false;
    }
    this_thread.range.store(fault.range, std::memory_order_relaxed);
    this_thread.offset.store(fault.offset, std::memory_order_relaxed);
    this_thread.faults.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void pass_on(const struct sigaction& to, int signal, siginfo_t* info, void* context) {
    const bool sent = info->si_code <= 0;
    if ((to.sa_flags & SA_SIGINFO) != 0) {
        to.sa_sigaction(signal, info, context);
    } else if (to.sa_handler != SIG_DFL && to.sa_handler != SIG_IGN) {
        to.sa_handler(signal);
    } else if (to.sa_handler == SIG_DFL || !sent) {
        // As if we had never been there: the touch is repeated and ends the process. (Ignoring it
        // is not possible; a signal that somebody sent is raised again.)
        ::sigaction(SIGBUS, &to, nullptr);
        if (sent) {
            ::raise(signal);
        }
    }
}

void on_fault(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    const bool survived =
        info->si_code == BUS_ADRERR && survive(reinterpret_cast<std::uintptr_t>(info->si_addr));
    errno = saved;
    if (survived) {
        return;
    }
    // The same signal again, from deeper in the stack: the handler we passed it to has passed it
    // back. (A handler that left by a jump leaves the mark, but the next signal comes no deeper in
    // its stack, or has another context.)
    const auto frame = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
    if (this_thread.passed_context == context && frame < this_thread.passing_frame) {
        pass_on(installation.beneath, signal, info, context);
        return;
    }
    this_thread.passed_context = context;
    this_thread.passing_frame = frame;
    pass_on(installation.previous, signal, info, context);
    this_thread.passed_context = nullptr;
}

bool ours(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_fault;
}

bool in_use() noexcept { return installation.keepers + installation.guarded_threads != 0; }

// One user more of the handler, in one of the two counts.
void use_handler(unsigned& count) noexcept {
    const std::lock_guard lock(process_mutex(ProcessLock::fault_handler));
    if (!in_use()) {
        struct sigaction current {};
        ::sigaction(SIGBUS, nullptr, &current);
        if (!ours(current)) {  // else left over in a forked child
            installation.previous = current;
            if (!installation.left_behind) {
                installation.beneath = current;
            }
            struct sigaction action {};
            action.sa_sigaction = on_fault;
            action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
            sigemptyset(&action.sa_mask);
            ::sigaction(SIGBUS, &action, nullptr);
        }
    }
    ++count;
}

void leave_handler(unsigned& count) noexcept {
    const std::lock_guard lock(process_mutex(ProcessLock::fault_handler));
    --count;
    if (!in_use()) {
        struct sigaction current {};
        ::sigaction(SIGBUS, nullptr, &current);
        if (ours(current)) {
            ::sigaction(SIGBUS, &installation.previous, nullptr);
        } else {
            installation.left_behind = true;  // another handler was installed meanwhile
        }
    }
}

}  // namespace

void forget_other_guards() noexcept {
    installation.guarded_threads = this_thread.depth > 0 ? 1 : 0;
}

FaultHandler::FaultHandler() noexcept { use_handler(installation.keepers); }
FaultHandler::~FaultHandler() { leave_handler(installation.keepers); }

FaultGuard::FaultGuard() noexcept
    : faults_before_(this_thread.faults.load(std::memory_order_relaxed)),
      cuts_before_(cuts_so_far()) {
    if (++this_thread.depth == 1) {
        use_handler(installation.guarded_threads);
    }
    // After the count, see there: zeros that somebody else has read are felt again by this thread.
    zeros_remain_ = !put_back_zeros();
}

FaultGuard::~FaultGuard() {
    const bool outermost = --this_thread.depth == 0;
    if (outermost && faulted()) {
        put_back_zeros();  // threads that are still guarded come back if they need to
    }
    if (outermost) {
        leave_handler(installation.guarded_threads);
    }
}

bool FaultGuard::faulted() const noexcept {
    return this_thread.faults.load(std::memory_order_relaxed) != faults_before_;
}

bool FaultGuard::disturbed() const noexcept {
    return zeros_remain_ || cuts_after_reads() != cuts_before_ || faulted();
}

std::optional<std::uint64_t> load_guarded(const std::uint64_t& word) noexcept {
    const FaultGuard guard;
    const std::uint64_t value = load_acquire(word);
    return guard.faulted() ? std::nullopt : std::optional(value);
}

std::string FaultGuard::path() {
    return path_of(this_thread.range.load(std::memory_order_relaxed));
}

std::uint64_t FaultGuard::offset() noexcept {
    return this_thread.offset.load(std::memory_order_relaxed);
}

std::string FaultGuard::path_of_last_cut() { return path_of(last_cut().range); }

}  // namespace strata::ipc
