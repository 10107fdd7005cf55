// SPDX-License-Identifier: Apache-2.0
#include "ipc/fork_hooks.hpp"

#include <array>
#include <atomic>
#include <new>

#include "ipc/os/fault.hpp"
#include "ipc/os/process.hpp"

namespace strata::ipc {

namespace {

constexpr std::size_t process_locks = static_cast<std::size_t>(ProcessLock::fault_handler) + 1;
constexpr std::size_t first_leaf = static_cast<std::size_t>(ProcessLock::hazard_slots);

// Constant-initialized and never destroyed: a fork may come before the first static constructor and
// after the last static destructor.
constinit std::array<std::mutex, process_locks> mutexes{};
constinit std::atomic<std::uint64_t> forks{0};
constinit ForkHook* first_hook = nullptr;  // guarded by ProcessLock::fork_hooks
constinit bool installed = false;

}  // namespace

std::mutex& process_mutex(ProcessLock which) noexcept {
    return mutexes[static_cast<std::size_t>(which)];
}

std::uint64_t fork_count() noexcept { return forks.load(std::memory_order_relaxed); }

struct ForkHandlers {
    static void prepare() {
        process_mutex(ProcessLock::fork_hooks).lock();
        process_mutex(ProcessLock::sessions).lock();
        for (ForkHook* hook = first_hook; hook != nullptr; hook = hook->next_) {
            hook->prepare_fork();
        }
        for (std::size_t i = first_leaf; i < process_locks; ++i) {
            mutexes[i].lock();
        }
        hold_page_swaps();
    }
    static void parent() {
        unlock_leaves();
        for (ForkHook* hook = first_hook; hook != nullptr; hook = hook->next_) {
            hook->parent_after_fork();
        }
        unlock_first();
    }
    static void child() {
        forks.fetch_add(1, std::memory_order_relaxed);  // first: hooks may ask whose process it is
        forget_other_guards();
        unlock_leaves();
        for (ForkHook* hook = first_hook; hook != nullptr; hook = hook->next_) {
            hook->child_after_fork();
        }
        unlock_first();
    }

    static void unlock_leaves() noexcept {
        release_page_swaps();
        for (std::size_t i = process_locks; i-- > first_leaf;) {
            mutexes[i].unlock();
        }
    }
    static void unlock_first() noexcept {
        process_mutex(ProcessLock::sessions).unlock();
        process_mutex(ProcessLock::fork_hooks).unlock();
    }

    // When the library is loaded, before any static constructor: installed later, a fork could come
    // between the first lock and the handlers.
    [[gnu::constructor(101)]] static void install() noexcept {
        installed = os::at_fork(&prepare, &parent, &child);
    }
};

void ForkHook::register_hook() {
    if (!installed) {
        throw std::bad_alloc();
    }
    const std::lock_guard lock(process_mutex(ProcessLock::fork_hooks));
    next_ = first_hook;
    if (next_ != nullptr) {
        next_->previous_ = this;
    }
    first_hook = this;
    registered_ = true;
}

void ForkHook::unregister_hook() noexcept {
    const std::lock_guard lock(process_mutex(ProcessLock::fork_hooks));
    if (!registered_) {
        return;
    }
    (previous_ != nullptr ? previous_->next_ : first_hook) = next_;
    if (next_ != nullptr) {
        next_->previous_ = previous_;
    }
    registered_ = false;
}

}  // namespace strata::ipc
