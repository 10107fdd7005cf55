// SPDX-License-Identifier: Apache-2.0
// One commit under way: what it has built so far, and how to undo it. commit_build.cpp builds,
// commit.cpp publishes.
#pragma once

#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <boost/container/small_vector.hpp>

#include "producer/batch_state.hpp"
#include "producer/store.hpp"

namespace strata::producer_impl {

/// Undone by its destructor unless `publish` was reached.
struct Store::Commit {
    struct Changed {
        Changed(Dimension number, Region* becomes, Region* was) noexcept
            : dimension(number), region(becomes), old(was) {}

        Dimension dimension;
        // Plain pointers, for counting references costs every commit more than a look-up: the store
        // keeps what is published alive, and `made` the other.
        Region* region;                // null: removed
        Region* old;                   // published before; differs if removed or replaced
        std::shared_ptr<Region> made;  // `region`, if it is not `old`
        Published state;               // to be
        std::uint64_t committed_bytes = 0;
    };

    Commit(Store& owner, BatchState& from)
        : store(owner),
          batch(from),
          trail(owner.trail_),
          scratch(owner.scratch_),
          generation(owner.root_.generation + 1),
          reserve(Reserve::use),
          allocate([this](Region& region, std::uint64_t bytes) { return room(region, bytes); }) {
        trail.allocated.clear();
        trail.retired.clear();
        for (const BatchOp& op : batch.ops()) {
            if (op.header != 0) {
                reserve = Reserve::keep_half;  // only what frees memory may use the last of it
                break;
            }
        }
        store.control_.lock();
    }
    Commit(const Commit&) = delete;
    Commit& operator=(const Commit&) = delete;
    ~Commit() {
        if (layers_region != nullptr) {
            layers_region->unlock();
        }
        store.control_.unlock();
        if (!published) {
            for (const CommitTrail::Block& block : trail.allocated) {
                store.free_block(*block.region, block.offset);
            }
        }
    }

    std::uint64_t room(Region& region, std::uint64_t bytes);
    void apply_dimensions();
    void apply_layers(Changed& changed, std::span<const BatchOp> ops);
    void check_names(const Region& region, IndexRoot root, std::span<const BatchOp> ops) const;
    void write_record(Changed& changed);
    void write_directory();
    void write_root();
    void prepare_retiring();
    void count_blocks() noexcept;
    void publish() noexcept;

    Store& store;
    BatchState& batch;
    CommitTrail& trail;
    std::vector<IndexChange>& scratch;
    const Generation generation;
    Reserve reserve;
    const Allocate allocate;
    boost::container::small_vector<Changed, 1> changes;  // most commits: one
    ipc::RootRecord root;
    std::uint64_t root_offset = 0;
    bool layout_changed = false;
    // The allocator's locks are held all along: the control file's, and that of the region whose
    // layers are being applied.
    Region* layers_region = nullptr;
    std::vector<RetiredFile> retired_files;
    bool published = false;
};

}  // namespace strata::producer_impl
