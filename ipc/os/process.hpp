// SPDX-License-Identifier: Apache-2.0
// This process and its threads: barriers, signals, forks, ends of threads; the clock; randomness.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace strata::ipc::os {

/// Asks for the right to use barrier_all_threads; false if the kernel has no such thing.
bool register_barriers() noexcept;
/// Every running thread of this process passes a full memory barrier before this returns. See
/// membarrier(2), MEMBARRIER_CMD_PRIVATE_EXPEDITED. False: refused, also if the right was granted
/// before (a process may put itself into a sandbox at any time); nothing has happened then.
bool barrier_all_threads() noexcept;

/// Up to 256 bytes; 0 or an errno.
int random_bytes(void* out, std::size_t size) noexcept;
std::int64_t realtime_ns() noexcept;
std::int64_t process_id() noexcept;

/// act(value) when the calling thread ends, after its thread_local objects; not at the end of the
/// main thread. `act` must always be the same. False: no room for it, or the process is ending.
bool at_thread_end(void (*act)(void*), void* value) noexcept;

/// While it lives, the calling thread gets no signal but those of its own faults; threads that it
/// starts never do.
class BlockedSignals {
public:
    BlockedSignals() noexcept;
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;
    ~BlockedSignals();

private:
    std::array<std::uint64_t, 16> before_;  // a sigset_t
};
std::uint32_t effective_user() noexcept;
/// A variable of the environment. Null if it is not set, and in programs that run with raised
/// privileges: its caller must not be able to redirect it.
const char* environment(const char* name) noexcept;
/// Has the three called at every fork of this process, the first before it and the others after it.
/// Handlers that are given later are called further out. False: no memory for them.
bool at_fork(void (*prepare)(), void (*parent)(), void (*child)()) noexcept;
/// The option of a mapping that takes address space alone: memory comes with the file's.
int reserve_nothing() noexcept;
/// Keeps the pages of a mapping out of forked children.
void dont_fork(void* address, std::size_t size) noexcept;

}  // namespace strata::ipc::os
