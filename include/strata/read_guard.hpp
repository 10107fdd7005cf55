// SPDX-License-Identifier: Apache-2.0
// Reading on although somebody cuts a store's file short.
#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

#include "strata/snapshot.hpp"
#include "strata/types.hpp"

namespace strata {

/// No producer shortens a published file. But who may write to it can (`truncate`), a disk can
/// fail, and then the kernel raises SIGBUS in every process that touches a lost byte of its
/// mapping. While a ReadGuard lives, its thread reads zeros there instead, from layers and indexes
/// alike, and `check` throws. So copy, `check`, and only then use the copy:
///
///     const ReadGuard guard;
///     const std::string copy(snapshot.get(id).text());
///     guard.check("export");
///
/// `verify`, `copy_layer` and the command `strata` do so themselves; all other reads are as fast,
/// and as mortal, as reads of any mapped file.
///
/// Guards the thread that makes it, which has to be the one that destroys it; guards nest. The
/// process's handler for SIGBUS is replaced while any guard lives; faults that are not of a store
/// (or not of a guarded thread) go to the handler that was there before. About a microsecond.
class ReadGuard {
public:
    ReadGuard();
    ReadGuard(const ReadGuard&) = delete;
    ReadGuard& operator=(const ReadGuard&) = delete;
    ~ReadGuard();

    /// Whether zeros were read in the place of lost bytes since it was made.
    bool faulted() const noexcept;
    /// Throws Error{truncated} in that case, naming the file.
    void check(std::string_view operation) const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A copy of a layer's payload. Throws what Snapshot::get throws, and truncated also when the file
/// is cut short this very moment.
std::vector<std::byte> copy_layer(const Snapshot& snapshot, LayerId id);

}  // namespace strata
