// SPDX-License-Identifier: Apache-2.0
// Relocates dimensions whose region is full of what slow readers hold: the live layers are copied
// to a fresh region file, which one generation puts in the old one's place. This changes no layer.
// The old file's blocks are retired like any others: those that no pin protects are given back at
// once. To give memory back, a region is left by all of its dimensions together: one that leaves a
// shared region alone frees no more than its copy takes.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "producer/commit/committer.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/commit_lock.hpp"
#include "producer/memory/store_memory.hpp"
#include "strata/producer.hpp"

namespace strata::producer_impl {

class Placement;
class OpenStore;

class Relocator {
public:
    /// All outlive this object.
    Relocator(OpenStore& store, Placement& placement, Committer& committer,
              CurrentGeneration& current, DimensionHomes& homes, StoreMemory& memory,
              Reclaimer& reclaimer, MemoryBudget& budget, Counters& counters,
              const ProducerOptions& options) noexcept
        : store_(store),
          placement_(placement),
          committer_(committer),
          current_(current),
          homes_(homes),
          memory_(memory),
          reclaimer_(reclaimer),
          budget_(budget),
          counters_(counters),
          options_(options) {}

    /// Something that lies in the file `path` has no room: if the policy allows it, relocates the
    /// dimension that alone lies there, or else all that lies in the region with the most memory
    /// that is not live, if that may give more back than it takes. No commit is under way. False:
    /// nothing was relocated.
    bool relocate_for(const std::string& path) STRATA_REQUIRES(commit_role);
    /// A shared region is full, and `needed` more bytes are wanted for the dimension: relocates it
    /// to another one. False: that would not help.
    bool leave_full(Dimension dimension, const Region& region, std::uint64_t needed)
        STRATA_REQUIRES(commit_role);
    /// See Producer::move_dimension. Returns the newest generation.
    Generation move(Dimension dimension, const DimensionOptions& options,
                    const std::string& operation) STRATA_REQUIRES(commit_role);

private:
    bool relocate(std::span<const Dimension> dimensions) STRATA_REQUIRES(commit_role);
    Region::Allocation copy(Dimension dimension, const std::shared_ptr<Region>& to,
                            BatchState& batch) STRATA_REQUIRES(commit_role);
    std::shared_ptr<Region> target_of(Dimension dimension, const DimensionOptions& options,
                                      const std::string& operation) STRATA_REQUIRES(commit_role);
    void make_room_for_copy(std::uint64_t bytes, const std::string& operation)
        STRATA_REQUIRES(commit_role);
    const Region* most_wasteful(const std::string& path) const STRATA_REQUIRES(commit_role);
    std::vector<Dimension> dimensions_in(const Region& region) const STRATA_REQUIRES(commit_role);
    std::shared_ptr<Region> new_region_like(Dimension dimension, const Region& region)
        STRATA_REQUIRES(commit_role);

    OpenStore& store_;
    Placement& placement_;
    Committer& committer_;
    CurrentGeneration& current_;
    DimensionHomes& homes_;
    StoreMemory& memory_;
    Reclaimer& reclaimer_;
    MemoryBudget& budget_;
    Counters& counters_;
    const ProducerOptions& options_;
};

}  // namespace strata::producer_impl
