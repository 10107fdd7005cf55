// SPDX-License-Identifier: Apache-2.0
// Region files that no generation reaches any more, still there for old snapshots.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ipc/lock_table.hpp"
#include "producer/commit_lock.hpp"
#include "producer/memory/memory_budget.hpp"
#include "producer/memory/region.hpp"
#include "producer/statistics/counters.hpp"

namespace strata::producer_impl {

struct RetiredFile {
    std::shared_ptr<Region> region;  // null: a leftover of an earlier producer
    std::string name;
    std::uint64_t bytes = 0;       // of a leftover
    std::uint64_t live_bytes = 0;  // whose blocks are not in limbo one by one
    std::uint64_t birth = 0;
    std::uint64_t tag = 0;
};

class RetiredFiles {
public:
    /// `directory`: of the store. All outlive this object.
    RetiredFiles(const ipc::FileDescriptor& directory, MemoryBudget& budget,
                 Counters& counters) noexcept
        : directory_(directory), budget_(budget), counters_(counters) {}

    /// Makes sure that `add` of that many cannot fail.
    void reserve(std::size_t count) STRATA_REQUIRES(commit_role);
    void add(RetiredFile&& file) noexcept STRATA_REQUIRES(commit_role) {
        files_.push_back(std::move(file));  // within the reserved capacity
    }
    bool empty() const noexcept STRATA_REQUIRES(commit_role) { return files_.empty(); }
    const std::vector<RetiredFile>& files() const noexcept STRATA_REQUIRES(commit_role) {
        return files_;
    }
    std::uint64_t bytes() const noexcept STRATA_REQUIRES(commit_role);

    /// Removes the files that were retired up to epoch `last` and that no pin protects. Returns the
    /// bytes that came free.
    std::uint64_t remove_free(std::uint64_t last, std::span<const ipc::EpochRange> pinned)
        STRATA_REQUIRES(commit_role);
    /// Removes one that nobody needs and that was not added. If the system refuses, it waits for
    /// the next `remove_free`.
    void remove_or_add(RetiredFile&& file) STRATA_REQUIRES(commit_role);

    /// They stay: the next producer takes care of them.
    void keep_all() noexcept;

private:
    bool remove(RetiredFile& file) noexcept;

    const ipc::FileDescriptor& directory_;
    MemoryBudget& budget_;
    Counters& counters_;
    std::vector<RetiredFile> files_ STRATA_GUARDED_BY(commit_role);
};

}  // namespace strata::producer_impl
