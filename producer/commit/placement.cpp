// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/placement.hpp"

#include <cstring>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/format/layer_block.hpp"
#include "ipc/os.hpp"
#include "producer/commit/batch_state.hpp"
#include "producer/open_store.hpp"
#include "producer/reclaim/relocator.hpp"

namespace strata::producer_impl {

std::shared_ptr<Region> Placement::new_region(std::optional<Dimension> owner,
                                              const DimensionOptions& options) {
    if (auto region = memory_.try_new_region(owner, options)) {
        return region;
    }
    const CommitLock lock(commit_mutex_);
    return memory_.new_region(owner, options);
}

bool Placement::wants_own_region(const DimensionOptions& options) const noexcept {
    return options.own_region || options_.own_regions || options.initial_bytes != 0 ||
           options.max_bytes != 0 || options.access;
}

std::shared_ptr<Region> Placement::shared_region() {
    {
        const std::lock_guard lock(shared_mutex_);
        if (shared_ && !shared_->is_full()) {
            return shared_;
        }
    }
    // Made without the lock: that may have to make room.
    std::shared_ptr<Region> made = new_region(std::nullopt, {});
    const std::lock_guard lock(shared_mutex_);
    if (!shared_ || shared_->is_full()) {
        shared_ = std::move(made);
    }  // else another thread was quicker; ours removes itself
    return shared_;
}

void Placement::set_shared_region(const std::shared_ptr<Region>& region) {
    const std::lock_guard lock(shared_mutex_);
    shared_ = region;
}

Home Placement::home_of(Dimension dimension, const DimensionOptions& options) {
    if (auto home = homes_.find(dimension)) {
        return *std::move(home);
    }
    return homes_.find_or_set(
        dimension, wants_own_region(options) ? new_region(dimension, options) : shared_region());
}

Home Placement::new_home(Dimension dimension, const DimensionOptions& options) {
    return {wants_own_region(options) ? new_region(dimension, options) : shared_region(),
            homes_.new_lineage()};
}

std::uint64_t Placement::allocate(Dimension dimension, Region& region, std::uint64_t bytes,
                                  std::uint64_t alignment, std::uint64_t homes_version,
                                  std::string_view what) {
    // Read before the region's lock: at worst older than the truth, which only holds blocks longer.
    const std::uint64_t birth = reclaimer_.epoch();
    bool relocated = false;
    for (int attempt = 0;; ++attempt) {
        const Region::Allocation result = region.allocate(bytes, alignment, birth, Reserve::keep);
        if (result.refusal == Region::Refusal::none) {
            return result.offset;
        }
        const OpenStore::Notices notices(store_);
        const CommitLock lock(commit_mutex_);
        if (homes_.version() != homes_version) {
            return 0;  // another thread relocated it
        }
        if (attempt >= 2 || !memory_.make_room(result.needed)) {
            const bool full = result.refusal == Region::Refusal::region_full;
            if (!std::exchange(relocated, true) &&
                ((full && relocator_.leave_full(dimension, region, bytes)) ||
                 relocator_.relocate_for(region.path()))) {
                return 0;
            }
            counters_.allocation_failures.add(1);
            statistics_.write_counters(ipc::os::realtime_ns());
            memory_.fail(region, result, bytes, ipc::operation_on(what, directory_.name));
        }
    }
}

std::shared_ptr<Region> Placement::shared_region_for(std::uint64_t bytes) {
    {
        const std::lock_guard lock(shared_mutex_);
        if (shared_ && bytes <= shared_->max_bytes() - shared_->end()) {
            return shared_;
        }
    }
    return memory_.new_region(std::nullopt, {});
}

Region::Allocation Placement::copy_layer(const Region& from, std::uint64_t header, Region& to) {
    const ipc::LayerShape shape = ipc::LayerBlock(from.at(header)).shape();
    Region::Allocation room =
        to.allocate(shape.allocation_bytes(), shape.alignment, reclaimer_.epoch(), Reserve::keep);
    if (room.refusal != Region::Refusal::none) {
        return room;
    }
    const std::uint64_t copy = room.offset + shape.pad_bytes();
    // Safe: the allocation was just made for as many bytes as the old block has.
    const std::uint64_t prefix = shape.prefix_bytes();
    std::memcpy(to.at(copy - prefix), from.at(header - prefix), prefix + shape.block_bytes());
    STRATA_CRASH_POINT("relocate.layer-copied");
    room.offset = copy;
    return room;
}

}  // namespace strata::producer_impl
