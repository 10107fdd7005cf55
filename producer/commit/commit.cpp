// SPDX-License-Identifier: Apache-2.0
// Publishing what a commit has built. Nothing here can fail once the root is stored.
#include "producer/commit/commit.hpp"

#include <algorithm>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/format/atomic_word.hpp"

namespace strata::producer_impl {

Commit::Commit(CommitParts& parts, CommitScratch& scratch, BatchState& batch)
    : BlockSource(scratch.trail),
      parts_(parts),
      batch_(batch),
      trail_(scratch.trail),
      index_changes_(scratch.changes),
      generation_(parts.current.next_number()) {
    trail_.allocated.clear();
    trail_.retired.clear();
    set_birth(parts.reclaimer.epoch());
    const auto puts = [](const BatchOp& op) { return op.header != 0; };
    const auto adds = [](const BatchDimension& wish) { return wish.add; };
    if (std::ranges::any_of(batch.ops(), puts) || std::ranges::any_of(batch.dimensions(), adds)) {
        set_reserve(Reserve::keep_half);  // the rest is for what only frees memory
    }
    parts_.control.region().lock();
}

Commit::~Commit() {
    if (layers_region_ != nullptr) {
        layers_region_->unlock();
    }
    parts_.control.region().unlock();
    if (!published_) {
        for (const CommitTrail::Block& block : trail_.allocated) {
            block.region->free(block.offset);
        }
    }
}

std::string Commit::operation() const {
    return ipc::operation_on("crystallize", parts_.directory.name);
}

void Commit::prepare_publishing() {
    for (const Changed& changed : changes_) {
        if (!changed.moves()) {
            continue;
        }
        if (changed.old != nullptr && changed.old_region->owner) {
            // What was relocated waits in limbo, block by block.
            retired_files_.push_back(
                {.region = changed.old->region,
                 .name = changed.old_region->file_name,
                 .bytes = 0,
                 .live_bytes = batch_.relocates() ? 0 : changed.old->state.live_bytes,
                 .birth = changed.old_region->birth_epoch,
                 .tag = 0});  // when it is retired
        }
        if (changed.region != nullptr) {
            new_regions_.try_emplace(changed.region->serial,
                                     CurrentGeneration::UsedRegion{changed.home.region, 0});
            if (changed.old == nullptr) {
                new_dimensions_[changed.dimension];
                new_names_.push_back(DimensionNames::entry(changed.name, changed.dimension));
            }
        }
        parts_.homes.prepare(changed.dimension);
    }
    if (!new_names_.empty()) {
        parts_.current.reserve(new_names_.size());
    }
    for (const auto& [serial, used] : new_regions_) {
        entered_regions_.push_back(used.region.get());
    }
    parts_.reclaimer.prepare(trail_.retired.size(), retired_files_.size());
}

void Commit::count_blocks() noexcept {
    const auto layers = std::count_if(batch_.ops().begin(), batch_.ops().end(),
                                      [](const BatchOp& op) { return op.header != 0; });
    parts_.counters.allocations.add_alone(trail_.allocated.size() +
                                          static_cast<std::uint64_t>(layers));
    parts_.counters.commits.add_alone(1);
}

void Commit::publish() noexcept {
    published_ = true;
    ipc::ControlCells& cells = parts_.control.cells();
    // Release; partner: the acquire load of `root` in Session::open_view. From here on everybody
    // sees the new generation whole.
    STRATA_CRASH_POINT("commit.before-root");
    ipc::store_release(cells.root, root_offset_);
    STRATA_CRASH_POINT("commit.root-stored");
    parts_.reclaimer.publish_slot(generation_, root_offset_);
    // Release; partner: the acquire loads of `generation` in Session::take and Session::wait. After
    // the root, so that who sees the number finds its root.
    ipc::store_release(cells.generation, generation_);
    STRATA_CRASH_POINT("commit.generation-stored");
    if (parts_.waiters.present()) {
        parts_.waiters.wake(cells.generation);
    }
    STRATA_CRASH_POINT("commit.woken");

    parts_.current.set_root(root_, root_offset_);
    count_blocks();
    for (auto& name : new_names_) {
        parts_.current.insert(std::move(name));
    }
    for (Changed& changed : changes_) {
        if (changed.region != nullptr) {
            changed.region->changed_in = generation_;
        }
        if (changed.moves()) {
            move_dimension(changed);
        } else {
            if (!changed.name.empty()) {
                parts_.current.rename(changed.dimension, *changed.old, std::move(changed.name));
            }
            changed.old->state = changed.state;
        }
    }
    parts_.reclaimer.retire(generation_, trail_.retired, std::move(retired_files_));
}

// Publishes that a dimension was added, removed or relocated.
void Commit::move_dimension(Changed& changed) noexcept {
    CurrentGeneration& current = parts_.current;
    if (changed.region != nullptr) {
        changed.region->keep_file = true;
        if (auto node = new_regions_.extract(changed.region->serial)) {
            current.insert(std::move(node));
        }
        current.enter_region(changed.region->serial);
    }
    if (changed.old_region != nullptr) {
        current.leave_region(changed.old_region->serial);
    }
    if (changed.region == nullptr) {
        current.erase(changed.dimension);
        parts_.homes.erase(changed.dimension);
        return;
    }
    PublishedDimension* dimension = changed.old;
    if (dimension == nullptr) {
        auto node = new_dimensions_.extract(changed.dimension);
        node.mapped().name = std::move(changed.name);
        current.insert(std::move(node));
        dimension = current.find(changed.dimension);
    } else {
        current.rename(changed.dimension, *dimension, std::move(changed.name));
    }
    dimension->region = changed.home.region;
    dimension->lineage = changed.home.lineage;
    dimension->state = changed.state;
    parts_.homes.set(changed.dimension, dimension->region, dimension->lineage);
}

}  // namespace strata::producer_impl
