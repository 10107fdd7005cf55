// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <memory>
#include <mutex>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ipc/fork_hooks.hpp"
#include "ipc/os/fault.hpp"
#include "ipc/os/fault_ranges.hpp"
#include "ipc/sanitizer.hpp"

namespace strata::ipc {

/// Never freed, so that the handler can walk the list at any time; reused.
struct MappedRange {
    std::atomic<std::uintptr_t> begin{0};  // 0: free
    std::atomic<std::uintptr_t> end{0};
    std::atomic<std::atomic<std::uint32_t>*> lost{nullptr};
    MappedRange* next = nullptr;
    MappedRange* next_free = nullptr;  // guarded by ProcessLock::mapped_ranges
    // Guarded by `swapping`: where zeros stand instead of the file, and its pages meanwhile. Zeros
    // without an `aside` stay until the range is unregistered.
    std::uintptr_t cut_from = 0;
    void* aside = nullptr;
    std::string path{};  // guarded by the list's mutex
};

namespace {

// Adding and removing, and the paths: ProcessLock::mapped_ranges.
constinit std::atomic<MappedRange*> first_range{nullptr};  // push: release; walk: acquire
constinit MappedRange* first_free_range = nullptr;
constinit std::atomic<bool> swapping{false};  // a lock that a handler may take
// What the processor maps at a time: 4 KiB, but also 16 or 64, whatever our files are made of.
// Known before there is a range for a handler to find.
constinit std::atomic<std::uintptr_t> system_page{0};
// Ranges with zeros in place, and how often any were put. Written under `swapping`, both before
// the zeros can be read, `ranges_cut` first: who misses the one sees the other.
constinit std::atomic<std::uint32_t> ranges_cut{0};
constinit std::atomic<std::uint64_t> cuts{0};
constinit Fault newest{};  // guarded by `swapping`

// Its holders make a few system calls and touch no mapped file, so it is held shortly.
class Swapping {
public:
    Swapping() noexcept { hold_page_swaps(); }
    Swapping(const Swapping&) = delete;
    Swapping& operator=(const Swapping&) = delete;
    ~Swapping() { release_page_swaps(); }
};

void* address(std::uintptr_t at) noexcept {
    return reinterpret_cast<void*>(at);  // NOLINT(performance-no-int-to-ptr): a mapping's page
}

void uncount(MappedRange& range) noexcept {
    range.cut_from = 0;
    ranges_cut.fetch_sub(1, std::memory_order_relaxed);  // under `swapping`
}

void drop_aside(MappedRange& range, std::uintptr_t end) noexcept {
    if (range.aside != nullptr) {
        ::munmap(range.aside, end - range.cut_from);
        range.aside = nullptr;
    }
}

// The file's pages come back to their place; true if all of them stand there now. `swapping` held.
bool put_back(MappedRange& range) noexcept {
    if (range.cut_from == 0) {
        return true;
    }
    if (range.aside == nullptr) {
        return false;
    }
    const std::size_t bytes = range.end.load(std::memory_order_relaxed) - range.cut_from;
    if (::mremap(range.aside, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
                 address(range.cut_from)) == MAP_FAILED) {
        return false;  // no mapping to spare: the zeros stay, another time perhaps
    }
    range.aside = nullptr;
    uncount(range);
    return true;
}

// The bare system call: a sanitizer's mmap is nothing for a signal handler, and one of them would
// take it for a write that races with readers.
bool map_zeros(std::uintptr_t begin, std::uintptr_t end) noexcept {
    constexpr int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    return ::syscall(SYS_mmap, begin, end - begin, PROT_READ, flags, -1, 0) != -1;
}

// All that lies behind the page is lost as well: a file is cut at its end. `swapping` held.
bool put_zeros(MappedRange& range, std::uintptr_t page, std::uintptr_t end) noexcept {
    if (range.cut_from != 0 && page >= range.cut_from) {
        return true;  // another thread was quicker
    }
    if (!put_back(range)) {
        drop_aside(range, end);  // its pages cannot come back, its mapping is needed now
    }
    if (range.cut_from == 0) {
        // A second mapping of the same pages (mremap(2): an old size of 0), kept for putting back.
        // If there is no room for it, the zeros stay.
        void* const aside = ::mremap(address(page), 0, end - page, MREMAP_MAYMOVE);
        range.aside = aside == MAP_FAILED ? nullptr : aside;
        // Release; partner: the acquire in put_back_zeros.
        ranges_cut.fetch_add(1, std::memory_order_release);
    }
    range.cut_from = page;
    // Release; partners: the acquires in cuts_so_far and cuts_after_reads.
    cuts.fetch_add(1, std::memory_order_release);
    if (map_zeros(page, end)) {
        return true;
    }
    // Cutting a mapping in two takes one more than the process may have; replacing it takes none.
    drop_aside(range, end);
    range.cut_from = range.begin.load(std::memory_order_relaxed);
    if (map_zeros(range.cut_from, end)) {
        return true;
    }
    uncount(range);
    return false;
}

MappedRange* find_range(std::uintptr_t at) noexcept {
    for (MappedRange* range = first_range.load(std::memory_order_acquire); range != nullptr;
         range = range->next) {
        // Acquire; partner: the release in register_range, which may run now.
        const std::uintptr_t begin = range->begin.load(std::memory_order_acquire);
        if (begin != 0 && at >= begin && at < range->end.load(std::memory_order_relaxed)) {
            return range;
        }
    }
    return nullptr;
}

}  // namespace

bool survive_fault(std::uintptr_t at, bool guarded, Fault& fault) noexcept {
    if (find_range(at) == nullptr) {
        return false;  // without the lock: this thread may have it, under a handler of other
                       // signals
    }
    const Swapping lock;
    // Once more: from here on no range is unregistered, unmapped and reused.
    MappedRange* const range = find_range(at);
    if (range == nullptr) {
        return false;
    }
    std::atomic<std::uint32_t>* const lost = range->lost.load(std::memory_order_relaxed);
    if (!guarded && lost == nullptr) {
        return false;
    }
    if (lost != nullptr) {
        // Before the zeros are there; partner: detail::bytes_before_flag.
        lost->store(1, std::memory_order_release);
    }
    fault = {.range = range, .offset = at - range->begin.load(std::memory_order_relaxed)};
    newest = fault;
    return put_zeros(*range, at & ~(system_page.load(std::memory_order_relaxed) - 1),
                     range->end.load(std::memory_order_relaxed));
}

std::uint64_t cuts_so_far() noexcept { return cuts.load(std::memory_order_acquire); }

std::uint64_t cuts_after_reads() noexcept {
#if defined(STRATA_TSAN)
    std::atomic_signal_fence(std::memory_order_seq_cst);  // it does not know stand-alone fences
#else
    std::atomic_thread_fence(std::memory_order_acquire);
#endif
    return cuts.load(std::memory_order_acquire);
}

bool put_back_zeros() noexcept {
    // Acquire; partner: the release in put_zeros.
    if (ranges_cut.load(std::memory_order_acquire) == 0) {
        return true;
    }
    const Swapping lock;
    bool all = true;
    for (MappedRange* range = first_range.load(std::memory_order_acquire); range != nullptr;
         range = range->next) {
        all = put_back(*range) && all;
    }
    return all;
}

Fault last_cut() noexcept {
    const Swapping lock;
    return newest;
}

// Acquire; partner: the release below. A handler may wait for another thread, never for its own.
void hold_page_swaps() noexcept {
    while (swapping.exchange(true, std::memory_order_acquire)) {
    }
}

void release_page_swaps() noexcept { swapping.store(false, std::memory_order_release); }

MappedRange* register_range(const void* base, std::uint64_t bytes, std::string_view path,
                            std::atomic<std::uint32_t>* lost) {
    const std::lock_guard lock(process_mutex(ProcessLock::mapped_ranges));
    MappedRange* range = first_free_range;
    system_page.store(static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE)),
                      std::memory_order_relaxed);
    const auto begin = reinterpret_cast<std::uintptr_t>(base);
    if (range != nullptr) {
        range->path = path;
        first_free_range = range->next_free;
    } else {
        auto made = std::make_unique<MappedRange>();
        made->path = path;  // may throw
        range = made.release();
        range->next = first_range.load(std::memory_order_relaxed);
        first_range.store(range, std::memory_order_release);  // partner: find_range
    }
    range->end.store(begin + bytes, std::memory_order_relaxed);
    range->lost.store(lost, std::memory_order_relaxed);
    range->begin.store(begin, std::memory_order_release);  // partner: find_range
    return range;
}

void unregister_range(MappedRange* range) noexcept {
    const std::lock_guard lock(process_mutex(ProcessLock::mapped_ranges));
    const Swapping lock_pages;
    if (range->cut_from != 0) {
        drop_aside(*range, range->end.load(std::memory_order_relaxed));
        uncount(*range);
    }
    range->begin.store(0, std::memory_order_relaxed);
    range->next_free = first_free_range;
    first_free_range = range;
}

std::string mapped_path(const void* at) {
    const std::lock_guard lock(process_mutex(ProcessLock::mapped_ranges));
    const auto wanted = reinterpret_cast<std::uintptr_t>(at);
    for (const MappedRange* range = first_range.load(std::memory_order_relaxed); range != nullptr;
         range = range->next) {
        const std::uintptr_t begin = range->begin.load(std::memory_order_relaxed);
        if (begin != 0 && begin <= wanted && wanted < range->end.load(std::memory_order_relaxed)) {
            return range->path;
        }
    }
    return {};
}

std::string path_of(const MappedRange* range) {
    const std::lock_guard lock(process_mutex(ProcessLock::mapped_ranges));
    return range != nullptr ? range->path : std::string();
}

}  // namespace strata::ipc
