// SPDX-License-Identifier: Apache-2.0
// Surviving that a mapped file is cut short: the kernel raises SIGBUS in whoever touches a byte
// that the file does not have any more. Part of the operating-system layer, as os.hpp is.
//
// While a thread is guarded, such a touch of a registered mapping reads zeros instead (a zero page
// takes the place of the lost ones) and is counted. So nothing is thrown across frames that cannot
// be unwound, the guarded code needs no second way to read, and an undisturbed guard costs three
// cheap system calls. Copying by pread(2) would need no signal, but also a copy of every index
// node, and one system call for each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace strata::ipc {

struct MappedRange;

/// Makes faults in [base, base + bytes) survivable. The mapping may only be read. Throws
/// std::bad_alloc.
MappedRange* register_range(const void* base, std::uint64_t bytes, std::string_view path);
/// To be called before the range is unmapped.
void unregister_range(MappedRange* range) noexcept;

/// Guards the thread that made it, until it goes; guards of one thread nest. The signal's handler
/// is changed for as long as some thread of the process is guarded; what is not ours goes to the
/// handler that was there before.
class FaultGuard {
public:
    FaultGuard() noexcept;
    FaultGuard(const FaultGuard&) = delete;
    FaultGuard& operator=(const FaultGuard&) = delete;
    ~FaultGuard();

    /// Whether this thread has read zeros since this guard was made.
    bool faulted() const noexcept;
    /// Of the last fault of this thread.
    static std::string path();
    static std::uint64_t offset() noexcept;

private:
    std::uint64_t faults_before_;
};

}  // namespace strata::ipc
