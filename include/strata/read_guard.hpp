// SPDX-License-Identifier: Apache-2.0
// Reading safely while a store's file may be truncated.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "strata/snapshot.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// No producer shortens a published file. But others with write permission can (`truncate`), a disk
/// can fail, and then the kernel raises SIGBUS in every process that touches a lost byte of its
/// mapping. While a ReadGuard lives, its thread reads zeros there instead, from layers, indexes and
/// mapped files alike, and `check` throws. So copy, `check`, and only then use the copy:
///
///     const ReadGuard guard;
///     const std::string copy(snapshot.get(id).text());
///     guard.check("export");
///
/// `verify`, `copy_layer`, Consumer::wait, the library's own threads, the inputs of directories and
/// the command `strata` do so themselves; all other reads are as fast, and as mortal, as reads of
/// any mapped file.
///
/// Guards the thread that makes it, which has to be the one that destroys it and must not block
/// SIGBUS; guards nest. The process's handler for SIGBUS is replaced while any guard lives, or a
/// consumer that has waited, or a MappedDirectory; faults that are not of a store or an input (or
/// not of a guarded thread) go to the handler that was there before. About a microsecond.
class ReadGuard {
public:
    [[nodiscard]] ReadGuard();
    ReadGuard(const ReadGuard&) = delete;
    ReadGuard& operator=(const ReadGuard&) = delete;
    ~ReadGuard();

    /// Whether zeros may have been read in the place of lost bytes since it was made: this thread
    /// met some, or another one did, of any file, so that they were in place for all. In a process
    /// that has used up vm.max_map_count zeros may stay; then this is true until the file that lost
    /// bytes is closed.
    [[nodiscard]] bool faulted() const noexcept;
    /// Throws Error{truncated} in that case, naming the file.
    void check(std::string_view operation) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A copy of a layer's payload. Throws what Snapshot::get throws, and truncated also when the file
/// is cut short this very moment.
[[nodiscard]] std::vector<std::byte> copy_layer(const Snapshot& snapshot, LayerId id);

}  // namespace strata::inline STRATA_ABI_NAMESPACE
