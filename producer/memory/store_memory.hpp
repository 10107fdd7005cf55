// SPDX-License-Identifier: Apache-2.0
// Room for a store's blocks and files, under its limit and in its file system: reclaims, waits for
// readers as the policy says, trims, and reports who holds memory back when all of that is not
// enough.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/files/store_files.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/durability/durability.hpp"
#include "producer/memory/memory_budget.hpp"
#include "producer/memory/region.hpp"
#include "producer/memory/region_factory.hpp"
#include "producer/reclaim/pinned_epochs.hpp"
#include "producer/reclaim/reclaimer.hpp"
#include "producer/statistics/counters.hpp"
#include "strata/batch.hpp"
#include "strata/producer.hpp"

namespace strata::producer_impl {

class StoreMemory {
public:
    /// All outlive this object.
    StoreMemory(const ipc::StoreDirectory& directory, const ProducerOptions& options,
                ControlRegion& control, const CurrentGeneration& current, RegionFactory& factory,
                Reclaimer& reclaimer, MemoryBudget& budget, Counters& counters,
                Durability& durability) noexcept
        : directory_(directory),
          options_(options),
          control_(control),
          current_(current),
          factory_(factory),
          reclaimer_(reclaimer),
          budget_(budget),
          counters_(counters),
          durability_(durability) {}

    /// Reclaims; gives much that comes free at once back to the system. Returns the bytes that can
    /// be used again.
    std::uint64_t reclaim(unsigned questions = PinnedEpochs::few_questions)
        STRATA_REQUIRES(commit_role);
    /// The same after a commit, which must not wait for all of it: queries the readers' pins when
    /// that is due, and frees up to `blocks` of what waits.
    void reclaim_portion(std::int64_t now_ns, std::size_t blocks) STRATA_REQUIRES(commit_role);
    /// Called when an allocation failed for want of memory: reclaims; checkpoints, if a durable
    /// generation holds memory; gives idle readers a moment to release their pins, and slow ones as
    /// long as the policy says; takes memory from regions that do not need it. True if anything
    /// came free.
    bool make_room(std::uint64_t bytes) STRATA_REQUIRES(commit_role);
    /// Gives free runs of at least `min_bytes` back to the system. Returns bytes.
    std::uint64_t trim(std::uint64_t min_bytes) STRATA_REQUIRES(commit_role);
    /// After much was released at once, by readers or by a former producer's end.
    void give_back_excess() STRATA_REQUIRES(commit_role);
    /// Makes `bytes` the limit, making room if need be. Throws limit_exceeded.
    void fit_limit(std::uint64_t bytes, const std::string& operation, std::string_view hint)
        STRATA_REQUIRES(commit_role);

    /// A region, not published yet; for one dimension alone, or a shared one. Null: the limit
    /// leaves no room without the commit lock. Throws invalid_argument, no_space,
    /// permission_denied, system.
    std::shared_ptr<Region> try_new_region(std::optional<Dimension> owner,
                                           const DimensionOptions& options);
    /// The same, making room. Throws limit_exceeded too.
    std::shared_ptr<Region> new_region(std::optional<Dimension> owner,
                                       const DimensionOptions& options)
        STRATA_REQUIRES(commit_role);

    /// Why there is no room for a block of `bytes` in `region`.
    [[noreturn]] void fail(const Region& region, const Region::Allocation& refusal,
                           std::uint64_t bytes, const std::string& operation) const
        STRATA_REQUIRES(commit_role);

private:
    std::string reserve_text(std::uint64_t limit) const;
    void give_back_if_much_was_released() STRATA_REQUIRES(commit_role);

    const ipc::StoreDirectory& directory_;
    const ProducerOptions& options_;
    ControlRegion& control_;
    const CurrentGeneration& current_;
    RegionFactory& factory_;
    Reclaimer& reclaimer_;
    MemoryBudget& budget_;
    Counters& counters_;
    std::uint64_t held_at_look_ STRATA_GUARDED_BY(commit_role) = 0;  // bytes
    Durability& durability_;
};

}  // namespace strata::producer_impl
