// SPDX-License-Identifier: Apache-2.0
// Surviving the truncation of a mapped file: the kernel raises SIGBUS in a thread that touches a
// byte that the file does not have any more. Part of the operating-system layer, as os.hpp is.
//
// While a thread is guarded, such a touch of a registered mapping reads zeros instead (a zero page
// takes the place of the lost ones) and is counted. So nothing is thrown across frames that cannot
// be unwound, the guarded code needs no second way to read, and an undisturbed guard costs three
// cheap system calls. Copying by pread(2) would need no signal, but also a copy of every index
// node, and one system call for each.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace strata::ipc {

struct MappedRange;

/// Makes faults in [base, base + bytes) survivable. The mapping may only be read. With `lost`, they
/// are in every thread, guarded or not, while a FaultHandler lives: it becomes 1 before the first
/// zeros can be read, and readers of the range check it afterwards. Throws std::bad_alloc.
MappedRange* register_range(const void* base, std::uint64_t bytes, std::string_view path,
                            std::atomic<std::uint32_t>* lost = nullptr);
/// To be called before the range is unmapped.
void unregister_range(MappedRange* range) noexcept;
/// Path of the file that is mapped at an address, as it was registered; empty if none is. For
/// messages: the address says which file is damaged where nothing else does.
std::string mapped_path(const void* at);

// Around fork(2): no thread is exchanging pages. To be called by the fork handlers.
void hold_page_swaps() noexcept;
void release_page_swaps() noexcept;
/// In the child: of the guarded threads only this one is left.
void forget_other_guards() noexcept;

/// Keeps the handler of SIGBUS installed for as long as it lives. By itself it guards nothing, but
/// makes guards cheap: they need no system call then. Any thread may destroy it.
class FaultHandler {
public:
    FaultHandler() noexcept;
    FaultHandler(const FaultHandler&) = delete;
    FaultHandler& operator=(const FaultHandler&) = delete;
    ~FaultHandler();
};

/// Guards the thread that made it, until it goes; guards of one thread nest. The signal's handler
/// is changed for as long as some thread of the process is guarded; what is not ours goes to the
/// handler that was there before. A thread that blocks SIGBUS cannot be guarded: the kernel ends
/// the process. Making one puts the pages of all files back where zeros stand for lost ones.
class FaultGuard {
public:
    FaultGuard() noexcept;
    FaultGuard(const FaultGuard&) = delete;
    FaultGuard& operator=(const FaultGuard&) = delete;
    ~FaultGuard();

    /// Whether this thread has felt a fault since this guard was made.
    bool faulted() const noexcept;
    /// Whether it may have read zeros: it has felt a fault, or another thread has, so that zeros
    /// were in place for both; or some remain from before that could not be put back.
    bool disturbed() const noexcept;
    /// Of the last fault of this thread.
    static std::string path();
    static std::uint64_t offset() noexcept;
    /// Of the last fault of any thread.
    static std::string path_of_last_cut();

private:
    std::uint64_t faults_before_;
    std::uint64_t cuts_before_;
    bool zeros_remain_ = false;
};

/// The word (acquire) of a registered mapping; nullopt if its page is lost.
std::optional<std::uint64_t> load_guarded(const std::uint64_t& word) noexcept;

}  // namespace strata::ipc
