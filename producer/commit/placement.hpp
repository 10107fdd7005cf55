// SPDX-License-Identifier: Apache-2.0
// Room for what batches hold and nobody can see yet: which region a dimension's puts go to, and
// blocks in it. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/files/store_files.hpp"
#include "producer/commit/dimension_homes.hpp"
#include "producer/commit_lock.hpp"
#include "producer/memory/memory_budget.hpp"
#include "producer/memory/region.hpp"
#include "producer/memory/store_memory.hpp"
#include "producer/reclaim/reclaimer.hpp"
#include "producer/statistics/counters.hpp"
#include "producer/statistics/statistics_writer.hpp"
#include "strata/batch.hpp"

namespace strata::producer_impl {

class Relocator;
class OpenStore;

class Placement {
public:
    /// All outlive this object; `relocator` may be made after it.
    Placement(OpenStore& store, std::mutex& commit_mutex, const ipc::StoreDirectory& directory,
              const ProducerOptions& options, DimensionHomes& homes, StoreMemory& memory,
              Reclaimer& reclaimer, MemoryBudget& budget, Counters& counters,
              StatisticsWriter& statistics, Relocator& relocator) noexcept
        : store_(store),
          commit_mutex_(commit_mutex),
          directory_(directory),
          options_(options),
          homes_(homes),
          memory_(memory),
          reclaimer_(reclaimer),
          budget_(budget),
          counters_(counters),
          statistics_(statistics),
          relocator_(relocator) {}

    const ipc::StoreDirectory& directory() const noexcept { return directory_; }
    const DimensionHomes& homes() const noexcept { return homes_; }
    const MemoryBudget& budget() const noexcept { return budget_; }

    /// Where the puts into a dimension go. One that has no home gets a place in the shared region,
    /// or a region of its own if it asks for one. Throws what making a region throws.
    Home home_of(Dimension dimension, const DimensionOptions& options = {})
        STRATA_EXCLUDES(commit_role);
    /// A home of its own, for a batch that removes the dimension before it puts into it.
    Home new_home(Dimension dimension, const DimensionOptions& options = {})
        STRATA_EXCLUDES(commit_role);
    /// Room for a block; reclaims, trims and relocates before giving up. Throws Error. Offset of
    /// the allocation; 0: dimensions were relocated meanwhile, ask for the home again.
    /// `homes_version`: before `region` was found to be the home.
    std::uint64_t allocate(Dimension dimension, Region& region, std::uint64_t bytes,
                           std::uint64_t alignment, std::uint64_t homes_version,
                           std::string_view operation) STRATA_EXCLUDES(commit_role);
    /// Copies a layer's block to another region, without making room. The offset is its header's.
    Region::Allocation copy_layer(const Region& from, std::uint64_t header, Region& to);

    /// Whether a dimension with these options gets a region file of its own.
    bool wants_own_region(const DimensionOptions& options) const noexcept;
    /// The region that new dimensions go to if it has room for `bytes` more, else another one, to
    /// be made that by set_shared_region. Throws what making a region throws.
    std::shared_ptr<Region> shared_region_for(std::uint64_t bytes) STRATA_REQUIRES(commit_role);

    /// Makes another shared region the one that new dimensions go to.
    void set_shared_region(const std::shared_ptr<Region>& region);

private:
    std::shared_ptr<Region> new_region(std::optional<Dimension> owner,
                                       const DimensionOptions& options)
        STRATA_EXCLUDES(commit_role);
    std::shared_ptr<Region> shared_region() STRATA_EXCLUDES(commit_role);

    OpenStore& store_;  // for user callbacks, made once no lock is held
    std::mutex& commit_mutex_;
    const ipc::StoreDirectory& directory_;
    const ProducerOptions& options_;
    DimensionHomes& homes_;
    StoreMemory& memory_;
    Reclaimer& reclaimer_;
    MemoryBudget& budget_;
    Counters& counters_;
    StatisticsWriter& statistics_;
    Relocator& relocator_;
    std::mutex shared_mutex_;
    std::shared_ptr<Region> shared_;  // guarded by shared_mutex_; null: there is none yet
};

}  // namespace strata::producer_impl
