// SPDX-License-Identifier: Apache-2.0
// Objects that have to act when the process forks.
#pragma once

namespace strata::ipc {

/// Registers itself for the time of its life. The three calls run in the forking thread, around
/// fork(2); in the child only async-signal-safe things may be done. No other hook is called, added
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

    /// To be called at the end of the derived constructor and the start of its destructor.
    void register_hook();
    void unregister_hook() noexcept;

private:
    friend struct ForkHookList;
    ForkHook* next_ = nullptr;
    ForkHook* previous_ = nullptr;
    bool registered_ = false;
};

}  // namespace strata::ipc
