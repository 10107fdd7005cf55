// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/layout.hpp"
#include "ipc/os_fault.hpp"

namespace strata::ipc {

/// Never freed, so that the handler can walk the list at any time; reused.
struct MappedRange {
    std::atomic<std::uintptr_t> begin{0};  // 0: free
    std::atomic<std::uintptr_t> end{0};
    MappedRange* next = nullptr;
    // Guarded by `swapping`: where zeros stand instead of the file, and its pages meanwhile.
    std::uintptr_t cut_from = 0;
    void* aside = nullptr;
    std::string path{};  // guarded by the list's mutex
};

namespace {

struct Ranges {
    std::mutex mutex;                          // for those who add and remove
    std::atomic<MappedRange*> first{nullptr};  // push: release; walk: acquire
    std::atomic<bool> swapping{false};         // a lock that a handler may take
    std::mutex install_mutex;
    unsigned guarded_threads = 0;
    struct sigaction previous {};
};

Ranges& ranges() {
    static auto* const made = new Ranges;  // outlives objects with static storage
    return *made;
}

/// Written by the handler, in the thread that it interrupts.
struct ThreadState {
    unsigned depth = 0;
    std::atomic<std::uint64_t> faults{0};
    std::atomic<MappedRange*> range{nullptr};
    std::atomic<std::uint64_t> offset{0};
};
// The model that needs no allocation at the first access, which may be the handler's.
[[gnu::tls_model("initial-exec")]] constinit thread_local ThreadState this_thread;

// Its holders make a few system calls and touch no mapped file, so it is held shortly. Acquire;
// partner: the release in the destructor.
class Swapping {
public:
    explicit Swapping(std::atomic<bool>& lock) noexcept : lock_(lock) {
        while (lock_.exchange(true, std::memory_order_acquire)) {
        }
    }
    Swapping(const Swapping&) = delete;
    Swapping& operator=(const Swapping&) = delete;
    ~Swapping() { lock_.store(false, std::memory_order_release); }

private:
    std::atomic<bool>& lock_;
};

void* address(std::uintptr_t at) noexcept {
    return reinterpret_cast<void*>(at);  // NOLINT(performance-no-int-to-ptr): a mapping's page
}

// The file's pages come back to their place. `swapping` held.
void put_back(MappedRange& range, std::uintptr_t end) noexcept {
    if (range.cut_from != 0 && range.aside != nullptr) {
        const std::size_t bytes = end - range.cut_from;
        ::mremap(range.aside, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, address(range.cut_from));
        range.aside = nullptr;
        range.cut_from = 0;
    }
}

// All that lies behind the page is lost as well: a file is cut at its end. `swapping` held.
bool put_zeros(MappedRange& range, std::uintptr_t page, std::uintptr_t end) noexcept {
    if (range.cut_from != 0 && page >= range.cut_from) {
        return true;  // another thread was quicker
    }
    put_back(range, end);
    // A second mapping of the same pages (mremap(2): an old size of 0), kept for putting back. If
    // there is no room for it, the zeros stay.
    void* const aside = ::mremap(address(page), 0, end - page, MREMAP_MAYMOVE);
    // The bare system call: a sanitizer's mmap is nothing for a signal handler, and one of them
    // would take it for a write that races with readers.
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    if (::syscall(SYS_mmap, page, end - page, PROT_READ, flags, -1, 0) == -1) {
        if (aside != MAP_FAILED) {
            ::munmap(aside, end - page);
        }
        return false;
    }
    range.aside = aside == MAP_FAILED ? nullptr : aside;
    range.cut_from = page;
    return true;
}

bool survive(std::uintptr_t at) noexcept {
    const std::uintptr_t page = at & ~(page_bytes - 1);
    Ranges& all = ranges();
    for (MappedRange* range = all.first.load(std::memory_order_acquire); range != nullptr;
         range = range->next) {
        const std::uintptr_t begin = range->begin.load(std::memory_order_acquire);
        const std::uintptr_t end = range->end.load(std::memory_order_relaxed);
        if (begin == 0 || at < begin || at >= end) {
            continue;
        }
        const Swapping lock(all.swapping);
        if (!put_zeros(*range, page, end)) {
            return false;
        }
        this_thread.range.store(range, std::memory_order_relaxed);
        this_thread.offset.store(at - begin, std::memory_order_relaxed);
        this_thread.faults.fetch_add(1, std::memory_order_relaxed);
        return true;
    }
    return false;
}

void on_fault(int signal, siginfo_t* info, void* context) {
    const int saved = errno;
    const bool survived = this_thread.depth > 0 && info->si_code == BUS_ADRERR &&
                          survive(reinterpret_cast<std::uintptr_t>(info->si_addr));
    errno = saved;
    if (survived) {
        return;
    }
    const struct sigaction& previous = ranges().previous;
    if ((previous.sa_flags & SA_SIGINFO) != 0) {
        previous.sa_sigaction(signal, info, context);
    } else if (previous.sa_handler != SIG_DFL && previous.sa_handler != SIG_IGN) {
        previous.sa_handler(signal);
    } else {
        // As if we had never been there: the touch is repeated and ends the process. (Ignoring it
        // is not possible; a signal that somebody sent is raised again.)
        ::sigaction(SIGBUS, &previous, nullptr);
        if (info->si_code <= 0) {
            ::raise(signal);
        }
    }
}

bool ours(const struct sigaction& action) noexcept {
    return (action.sa_flags & SA_SIGINFO) != 0 && action.sa_sigaction == on_fault;
}

}  // namespace

MappedRange* register_range(const void* base, std::uint64_t bytes, std::string_view path) {
    Ranges& all = ranges();
    const std::lock_guard lock(all.mutex);
    MappedRange* range = all.first.load(std::memory_order_relaxed);
    while (range != nullptr && range->begin.load(std::memory_order_relaxed) != 0) {
        range = range->next;
    }
    const auto begin = reinterpret_cast<std::uintptr_t>(base);
    if (range != nullptr) {
        range->path = path;
    } else {
        range = new MappedRange;
        range->path = path;
        range->next = all.first.load(std::memory_order_relaxed);
        all.first.store(range, std::memory_order_release);  // partner: the walk in survive
    }
    range->end.store(begin + bytes, std::memory_order_relaxed);
    range->begin.store(begin, std::memory_order_release);  // partner: the walk in survive
    return range;
}

void unregister_range(MappedRange* range) noexcept {
    Ranges& all = ranges();
    const std::lock_guard lock(all.mutex);
    const Swapping swapping(all.swapping);
    if (range->aside != nullptr) {
        ::munmap(range->aside, range->end.load(std::memory_order_relaxed) - range->cut_from);
    }
    range->aside = nullptr;
    range->cut_from = 0;
    range->begin.store(0, std::memory_order_relaxed);
}

FaultGuard::FaultGuard() noexcept
    : faults_before_(this_thread.faults.load(std::memory_order_relaxed)) {
    if (++this_thread.depth > 1) {
        return;
    }
    Ranges& all = ranges();
    const std::lock_guard lock(all.install_mutex);
    if (++all.guarded_threads == 1) {
        struct sigaction current {};
        ::sigaction(SIGBUS, nullptr, &current);
        if (!ours(current)) {  // else left over in a forked child
            all.previous = current;
            struct sigaction action {};
            action.sa_sigaction = on_fault;
            action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART;
            sigemptyset(&action.sa_mask);
            ::sigaction(SIGBUS, &action, nullptr);
        }
    }
}

FaultGuard::~FaultGuard() {
    if (--this_thread.depth > 0) {
        return;
    }
    Ranges& all = ranges();
    if (faulted()) {
        // Threads that are still guarded come back if they need to.
        const std::lock_guard lock(all.mutex);
        const Swapping swapping(all.swapping);
        for (MappedRange* range = all.first.load(std::memory_order_relaxed); range != nullptr;
             range = range->next) {
            put_back(*range, range->end.load(std::memory_order_relaxed));
        }
    }
    const std::lock_guard lock(all.install_mutex);
    if (--all.guarded_threads == 0) {
        struct sigaction current {};
        ::sigaction(SIGBUS, nullptr, &current);
        if (ours(current)) {  // else somebody has installed his own meanwhile
            ::sigaction(SIGBUS, &all.previous, nullptr);
        }
    }
}

bool FaultGuard::faulted() const noexcept {
    return this_thread.faults.load(std::memory_order_relaxed) != faults_before_;
}

std::string FaultGuard::path() {
    Ranges& all = ranges();
    const std::lock_guard lock(all.mutex);
    const MappedRange* const range = this_thread.range.load(std::memory_order_relaxed);
    return range != nullptr ? range->path : std::string();
}

std::uint64_t FaultGuard::offset() noexcept {
    return this_thread.offset.load(std::memory_order_relaxed);
}

}  // namespace strata::ipc
