// SPDX-License-Identifier: Apache-2.0
// Taking over a store: what the root reaches is live, what readers of epochs that are over can
// still reach is retired, everything else is free. What an earlier producer did not publish leaves
// no trace.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ipc/files/store_files.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/commit/dimension_homes.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/durability/durability.hpp"
#include "producer/lifecycle/held_blocks.hpp"
#include "producer/lifecycle/pinned_generations.hpp"
#include "producer/memory/region_factory.hpp"
#include "producer/memory/store_memory.hpp"
#include "producer/reclaim/bookmarks.hpp"
#include "producer/reclaim/reclaimer.hpp"

namespace strata::producer_impl {

class Recovery {
public:
    /// `life`: the number of this producer's own sign of life. All that is referred to outlives
    /// this object.
    Recovery(const ipc::StoreDirectory& directory, ControlRegion& control,
             CurrentGeneration& current, DimensionHomes& homes, RegionFactory& factory,
             Reclaimer& reclaimer, Bookmarks& bookmarks, StoreMemory& memory, MemoryBudget& budget,
             const Durability::Start& durable, std::uint64_t life);

    /// To be called once, before anybody else has the store. Throws corrupt, truncated,
    /// not_trusted, permission_denied, system; the store is unchanged then, and may be taken over
    /// by another.
    void run() STRATA_REQUIRES(commit_role);

private:
    void read_root() STRATA_REQUIRES(commit_role);
    void go_back_to_slot() STRATA_REQUIRES(commit_role);
    std::vector<PinnedGeneration> kept_generations() STRATA_REQUIRES(commit_role);
    PinnedGenerations find_pinned_generations() STRATA_REQUIRES(commit_role);
    void retire_held(const HeldBlocks& held, const std::optional<ipc::EpochRange>& unknown)
        STRATA_REQUIRES(commit_role);
    void free_or_retire_rest(Region& region, const std::optional<ipc::EpochRange>& unknown)
        STRATA_REQUIRES(commit_role);
    void sort_leftover_files(const HeldBlocks& held, const std::optional<ipc::EpochRange>& unknown)
        STRATA_REQUIRES(commit_role);
    void sort_leftover_region(const std::string& name, std::uint64_t serial, const HeldBlocks& held,
                              const std::optional<ipc::EpochRange>& unknown)
        STRATA_REQUIRES(commit_role);
    void repair_generation() STRATA_REQUIRES(commit_role);

    const ipc::StoreDirectory& directory_;
    ControlRegion& control_;
    CurrentGeneration& current_;
    DimensionHomes& homes_;
    RegionFactory& factory_;
    Reclaimer& reclaimer_;
    Bookmarks& bookmarks_;
    StoreMemory& memory_;
    MemoryBudget& budget_;
    const Durability::Start& durable_;
    const std::uint64_t life_;
    const std::string operation_;
};

}  // namespace strata::producer_impl
