// SPDX-License-Identifier: Apache-2.0
// What has to happen when the process forks: objects that take part in it, the mutexes that a
// process has once, and telling a forked child from the process that made an object. The handlers
// are installed when the library is loaded, before anything can be in their way.
#pragma once

#include <cstdint>
#include <mutex>

#include "ipc/os.hpp"

namespace strata::ipc {

/// Registered for its lifetime. The three calls run in the forking thread, around fork(2); in the
/// child they may only do what is async-signal-safe. No other hook is called, added
/// or removed between prepare and parent/child.
class ForkHook {
public:
    ForkHook(const ForkHook&) = delete;
    ForkHook& operator=(const ForkHook&) = delete;

    virtual void prepare_fork() noexcept {}
    virtual void parent_after_fork() noexcept {}
    virtual void child_after_fork() noexcept {}

protected:
    ForkHook() = default;
    ~ForkHook() = default;

    /// To be called at the end of the derived constructor and the start of its destructor. Throws
    /// std::bad_alloc if the handlers could not be installed.
    void register_hook();
    void unregister_hook() noexcept;

private:
    friend struct ForkHandlers;
    ForkHook* next_ = nullptr;
    ForkHook* previous_ = nullptr;
    bool registered_ = false;
};

/// The mutexes of which a process has one each, in the order in which a thread may take several.
/// Hooks run with the first two held and may take the others; a fork waits until all are free, so a
/// child never finds one locked by a thread that it does not have. They stand here, and not in
/// function-local statics, because the guard of those is a lock that no handler can reach.
enum class ProcessLock : unsigned char {
    fork_hooks,
    sessions,       ///< a consumer's sessions by number; before each session's own mutex
    hazard_slots,   ///< slots that no thread owns
    mapping_slots,  ///< numbers of mappings
    mapped_ranges,  ///< mappings that fault guards know
    fault_handler,  ///< whether the handler of SIGBUS is ours
};
std::mutex& process_mutex(ProcessLock which) noexcept;

/// How many forks lie between this process and the one that loaded the library: a child's number
/// is its parent's plus one. One load; right in a child from its first hook on.
std::uint64_t fork_count() noexcept;

/// Says whether this is still the process that made it. Not fooled by a child that has its parent's
/// pid (in a pid namespace of its own), nor by one that was forked without handlers (`_Fork`).
class ProcessMark {
public:
    ProcessMark() noexcept : forks_(fork_count()), pid_(os::process_id()) {}
    bool of_this_process() const noexcept {
        return forks_ == fork_count() && pid_ == os::process_id();
    }

private:
    std::uint64_t forks_;
    std::int64_t pid_;
};

}  // namespace strata::ipc
