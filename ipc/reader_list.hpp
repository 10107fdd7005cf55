// SPDX-License-Identifier: Apache-2.0
// The readers of a store, as shown to people: every pin singly, also several on one lock byte,
// and the processes behind them. Advisory; what reclaiming relies on is in lock_table.hpp.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "ipc/lock_table.hpp"
#include "strata/readers.hpp"

namespace strata::ipc {

/// A lock on a file, as the system lists it.
struct ListedLock {
    std::uint64_t start = 0;
    bool exclusive = false;

    friend auto operator<=>(const ListedLock&, const ListedLock&) = default;
};

/// The open-file-description locks of all processes on the file, ascending, in a few passes over
/// all locks of the machine. The kernel gives that list page by page; where locks come and go
/// meanwhile, one may be twice in it, or not at all: so it is read until two passes agree, and if
/// they never do, a lock that any pass has is there, as often as the fewest of these passes say.
/// nullopt where the system has no such list, or it does not know the file by the numbers that
/// fstat gives (overlayfs, btrfs).
std::optional<std::vector<ListedLock>> list_locks(const FileDescriptor& file);

/// All pins of epochs up to `last`, by epoch and pid, except `own`: the one that `control` itself
/// holds. Where the locks cannot be listed they are asked for one by one, which finds one of
/// several on the same byte, and takes quadratic time. Throws
/// system if the kernel refuses to tell.
std::vector<ReaderInfo> list_readers(const FileDescriptor& control, std::uint64_t last,
                                     std::string_view operation, std::string_view path,
                                     const std::optional<PinHolder>& own = {});

/// Sets ReaderInfo::process of those whose lock on the file is found in a process that the caller
/// may look into. Looks at the status of each process of the machine once.
void find_processes(const FileDescriptor& control, std::vector<ReaderInfo>& readers);

}  // namespace strata::ipc
