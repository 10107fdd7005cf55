// SPDX-License-Identifier: Apache-2.0
// The epochs that readers may pin, as far as the producer knows: never fewer than are pinned. The
// work of each query is bounded, whatever readers do; what was not asked about counts as pinned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ipc/lock_table.hpp"

namespace strata::producer_impl {

/// The range of `ranges` (ascending, disjoint) that contains `epoch`, or null.
const ipc::EpochRange* range_with(std::span<const ipc::EpochRange> ranges,
                                  std::uint64_t epoch) noexcept;
/// The first range that has an epoch within [first, last], or null.
const ipc::EpochRange* range_within(std::span<const ipc::EpochRange> ranges, std::uint64_t first,
                                    std::uint64_t last) noexcept;

/// Adds an epoch to `ranges` (ascending, disjoint).
void insert_epoch(std::vector<ipc::EpochRange>& ranges, std::uint64_t epoch);

/// No epoch that is over is pinned anew (docs/reclamation.md, C9), so from query to query pins only
/// disappear, except those of the epochs that ended in between: these are asked about at once, the
/// older ones in turn. Not thread-safe: the commit mutex guards it.
class PinnedEpochs {
public:
    /// Beyond so many ranges, neighbours are merged.
    static constexpr std::size_t most_ranges = 256;
    /// For the query of nearly every commit, and for a thorough one.
    static constexpr unsigned few_questions = 8;
    static constexpr unsigned many_questions = 4 * most_ranges;

    PinnedEpochs();

    /// Asks the kernel again; at most `questions` + 2 system calls. Precondition: the epoch word is
    /// larger than `last`, and `last` was never smaller before.
    void look(const ipc::FileDescriptor& control, std::uint64_t last, unsigned questions) noexcept;

    /// Ascending, disjoint. Valid until the next query.
    std::span<const ipc::EpochRange> ranges() const noexcept { return held_; }
    bool empty() const noexcept { return held_.empty(); }

private:
    void ask(const ipc::FileDescriptor& control, const ipc::EpochRange& range) noexcept;
    void add(const ipc::EpochRange& range) noexcept;

    // Both keep within the capacity that they are made with.
    std::vector<ipc::EpochRange> held_;     // sorted
    std::vector<ipc::EpochRange> unknown_;  // a stack: still to be asked about in this query
    std::uint64_t asked_up_to_ = 0;         // an epoch below that is in no range of `held_` is free
    std::uint64_t next_ = 0;                // where the round robin resumes
};

}  // namespace strata::producer_impl
