// SPDX-License-Identifier: Apache-2.0
// The mappings whose lost pages are survived, and the zeros that stand in for these: what the
// handler of SIGBUS and the guards in os/fault_linux.cpp work with.
#pragma once

#include <cstdint>
#include <string>

namespace strata::ipc {

struct MappedRange;

struct Fault {
    const MappedRange* range = nullptr;
    std::uint64_t offset = 0;
};

/// Puts zeros where a page is lost, if the address is in a range that may be survived by a thread
/// that is guarded, or not. False: not ours. Async-signal-safe.
bool survive_fault(std::uintptr_t at, bool guarded, Fault& fault) noexcept;

/// How often zeros were put anywhere. Read it first, put back, and later read it again: unchanged
/// means that no zeros were read in the place of lost bytes, if putting back went well.
std::uint64_t cuts_so_far() noexcept;
/// The same after reading a mapping: bytes that were read before are looked at before the count.
std::uint64_t cuts_after_reads() noexcept;
/// Makes the file's pages, lost or not, take their places again. False: zeros remain somewhere for
/// which there was no mapping to spare. One load if there are none.
bool put_back_zeros() noexcept;

/// Where zeros were put last, by any thread.
Fault last_cut() noexcept;
std::string path_of(const MappedRange* range);

}  // namespace strata::ipc
