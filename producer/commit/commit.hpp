// SPDX-License-Identifier: Apache-2.0
// One commit under way: what it has built so far, and how to undo it. commit_build.cpp builds,
// commit.cpp publishes. Everything that can fail happens before the root is stored.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "producer/commit/batch_state.hpp"
#include "producer/commit/block_source.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/commit/dimension_homes.hpp"
#include "producer/commit/waiters.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/durability/durability.hpp"
#include "producer/index_writer.hpp"
#include "producer/memory/region_factory.hpp"
#include "producer/memory/store_memory.hpp"
#include "producer/reclaim/reclaimer.hpp"
#include "producer/statistics/counters.hpp"

namespace strata::producer_impl {

/// What a commit works on.
struct CommitParts {
    const ipc::StoreDirectory& directory;
    ControlRegion& control;
    CurrentGeneration& current;
    DimensionHomes& homes;
    RegionFactory& factory;
    Reclaimer& reclaimer;
    StoreMemory& memory;
    MemoryBudget& budget;
    Counters& counters;
    Waiters& waiters;
    Durability& durability;
};

/// Reused by every commit for its capacity.
struct CommitScratch {
    CommitTrail trail;
    std::vector<IndexChange> changes;
};

/// Undone by its destructor unless `publish` was reached. Holds the allocator lock of the control
/// file all along.
class Commit final : private BlockSource {
public:
    Commit(CommitParts& parts, CommitScratch& scratch, BatchState& batch)
        STRATA_REQUIRES(commit_role);
    Commit(const Commit&) = delete;
    Commit& operator=(const Commit&) = delete;
    ~Commit();

    /// Builds everything. False: the batch changes nothing. Throws limit_exceeded, no_space,
    /// name_collision, dimension_not_found.
    bool build() STRATA_REQUIRES(commit_role);
    /// CLOCK_REALTIME, once it is built.
    std::int64_t published_at_ns() const noexcept { return root_.published_at_ns; }
    /// Does ahead what `publish` must not fail to do: the last thing before it.
    void prepare_publishing() STRATA_REQUIRES(commit_role);
    void publish() noexcept STRATA_REQUIRES(commit_role);

    /// Regions into which a dimension has come, each once.
    const std::vector<Region*>& entered_regions() const noexcept { return entered_regions_; }

private:
    struct Changed {
        Dimension dimension;
        // Plain pointers, for counting references costs every commit more than a look-up: the store
        // keeps what is published alive, and `home` the other.
        PublishedDimension* old = nullptr;  // as published before; null: it was not there
        Region* old_region = nullptr;
        Region* region = nullptr;  // null: removed
        Home home{};               // of `region`, if it is not `old_region`
        std::string name{};        // to be; empty: as it was
        DimensionState state{};    // to be
        std::uint64_t committed_bytes = 0;

        bool replaced = false;  // `old` goes: removed, added again, or relocated

        bool moves() const noexcept { return replaced || old == nullptr; }
    };

    std::string operation() const;
    std::uint64_t allocate_refused(Region& region, std::uint64_t bytes,
                                   Region::Allocation refusal) override
        STRATA_REQUIRES(commit_role);
    void apply_dimensions() STRATA_REQUIRES(commit_role);
    void apply_dimension(const BatchDimension& wish, std::span<const BatchOp> ops)
        STRATA_REQUIRES(commit_role);
    void check_lineage(const BatchDimension& wish, const PublishedDimension* old) const;
    void apply_layers(Changed& changed, const BatchDimension& wish, std::span<const BatchOp> ops)
        STRATA_REQUIRES(commit_role);
    void erase_others(const Changed& changed) STRATA_REQUIRES(commit_role);
    void check_names(Region& region, IndexRoot root, std::span<const BatchOp> ops) const;
    void retire_old(const Changed& changed) STRATA_REQUIRES(commit_role);
    void write_record(Changed& changed) STRATA_REQUIRES(commit_role);
    void write_directory() STRATA_REQUIRES(commit_role);
    void write_root() STRATA_REQUIRES(commit_role);
    void count_blocks() noexcept;
    void move_dimension(Changed& changed) noexcept STRATA_REQUIRES(commit_role);

    CommitParts& parts_;
    BatchState& batch_;
    CommitTrail& trail_;
    std::vector<IndexChange>& index_changes_;
    Generation generation_ = 0;
    boost::container::small_vector<Changed, 1> changes_;  // most commits: one
    ipc::RootRecord root_{};
    std::uint64_t root_offset_ = 0;
    bool layout_changed_ = false;
    // The allocator's locks are held all along: the control file's, and that of the region whose
    // layers are being applied.
    Region* layers_region_ = nullptr;
    // Nodes for what is new, made ahead.
    CurrentGeneration::Dimensions new_dimensions_;
    std::vector<DimensionNames::Entries::node_type> new_names_;
    CurrentGeneration::Regions new_regions_;
    std::vector<Region*> entered_regions_;
    std::vector<RetiredFile> retired_files_;
    bool published_ = false;
};

}  // namespace strata::producer_impl
