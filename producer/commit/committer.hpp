// SPDX-License-Identifier: Apache-2.0
// Commits batches, one at a time, and does what is due after a commit: reclaiming, statistics.
#pragma once

#include <cstdint>

#include "producer/commit/commit.hpp"
#include "producer/commit_lock.hpp"
#include "producer/statistics/statistics_writer.hpp"

namespace strata::producer_impl {

class Committer {
public:
    /// All that is referred to outlives this object.
    Committer(const CommitParts& parts, StatisticsWriter& statistics) noexcept
        : parts_(parts), statistics_(statistics) {}

    /// Publishes a settled batch as the next generation and leaves it empty; without changes the
    /// current generation stays. Throws what Batch::crystallize throws; nothing is published then,
    /// and the batch keeps its changes.
    Generation commit(BatchState& batch) STRATA_REQUIRES(commit_role);

private:
    Generation current() const noexcept STRATA_REQUIRES(commit_role) {
        return parts_.current.root().generation;
    }
    void check_name(std::int64_t now_ns) STRATA_REQUIRES(commit_role);
    std::size_t portion(std::int64_t now_ns) noexcept STRATA_REQUIRES(commit_role);

    CommitParts parts_;
    StatisticsWriter& statistics_;
    CommitScratch scratch_ STRATA_GUARDED_BY(commit_role);
    std::int64_t last_name_check_ns_ STRATA_GUARDED_BY(commit_role) = 0;
    std::int64_t last_commit_ns_ STRATA_GUARDED_BY(commit_role) = 0;
};

}  // namespace strata::producer_impl
