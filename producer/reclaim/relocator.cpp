// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/relocator.hpp"

#include <algorithm>
#include <map>
#include <new>
#include <optional>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/index/find.hpp"
#include "ipc/os.hpp"
#include "producer/commit/batch_state.hpp"
#include "producer/memory/file_access.hpp"
#include "producer/open_store.hpp"
#include "strata/dimension_range.hpp"

namespace strata::producer_impl {

namespace {

// Also after chmod or chgrp by hand: who may not read the old file must not read the new one.
FileAccess present_access_of(const Region& region) {
    const auto status = ipc::os::status(region.file().get());
    if (!status) {
        ipc::fail_errno(status.error, "relocate dimension", region.path(),
                        "cannot read its status");
    }
    return access_of(status.value);
}

// What copies of blocks of `live` bytes take, at most: slabs are not filled to the last place.
std::uint64_t copy_bytes(std::uint64_t live) noexcept {
    return live + live / 8 + Region::initial_bytes;
}

}  // namespace

// All of them lie in one region, and are given in ascending order.
bool Relocator::relocate(std::span<const Dimension> dimensions) {
    const std::shared_ptr<Region> left = current_.find(dimensions.front())->region;
    const std::uint64_t room =
        budget_.limit() - std::min(budget_.limit(), budget_.used()) + memory_.trim(ipc::page_bytes);
    std::uint64_t live = 0;
    for (const Dimension dimension : dimensions) {
        live += current_.find(dimension)->state.live_bytes;
    }
    if (room < copy_bytes(live) + MemoryBudget::reserve_of(budget_.limit())) {
        return false;
    }
    try {
        BatchState batch(store_, placement_);
        const std::shared_ptr<Region> fresh = new_region_like(dimensions.front(), *left);
        STRATA_CRASH_POINT("relocate.file-made");
        for (const Dimension dimension : dimensions) {
            if (copy(dimension, fresh, batch).refusal != Region::Refusal::none) {
                return false;
            }
        }
        STRATA_CRASH_POINT("relocate.copied");
        committer_.commit(batch);
        STRATA_CRASH_POINT("relocate.committed");
        if (!fresh->owner) {
            placement_.set_shared_region(fresh);
        }
        counters_.relocations.add(1);
        memory_.reclaim();
        STRATA_CRASH_POINT("relocate.reclaimed");
        memory_.trim(ipc::page_bytes);
    } catch (const Error&) {  // the caller reports what it wanted room for
    } catch (const std::bad_alloc&) {
    }
    // What comes after publishing may fail without harm.
    return current_.find(dimensions.front())->region != left;
}

// All layers, up to the first that is refused.
Region::Allocation Relocator::copy(Dimension dimension, const std::shared_ptr<Region>& to,
                                   BatchState& batch) {
    const PublishedDimension& old = *current_.find(dimension);
    batch.begin_relocation(dimension, old, to);
    const ipc::IndexView index = old.index();
    const DimensionRange layers(&index);
    for (auto it = layers.begin(); it != layers.end(); ++it) {
        const std::uint64_t header = ipc::block_offset(index, *it);
        const Region::Allocation copied = batch.relocate_layer(it.number(), header);
        if (copied.refusal != Region::Refusal::none) {
            return copied;
        }
    }
    return {};
}

Generation Relocator::move(Dimension dimension, const DimensionOptions& options,
                           const std::string& operation) {
    if (current_.find(dimension) == nullptr) {
        ipc::fail(Errc::dimension_not_found, operation, store_.path().string(),
                  "the newest generation has no dimension " + std::to_string(dimension));
    }
    const std::shared_ptr<Region> left = current_.find(dimension)->region;
    if (!left->owner && !placement_.wants_own_region(options)) {
        return current_.number();  // already where it should be
    }
    const std::uint64_t needed = copy_bytes(current_.find(dimension)->state.live_bytes);
    make_room_for_copy(needed, operation);
    BatchState batch(store_, placement_);
    const std::shared_ptr<Region> to = target_of(dimension, options, operation);
    const Region::Allocation copied = copy(dimension, to, batch);
    if (copied.refusal != Region::Refusal::none) {
        counters_.allocation_failures.add(1);
        memory_.fail(*to, copied, copied.needed, operation);
    }
    const Generation generation = committer_.commit(batch);
    if (!to->owner) {
        placement_.set_shared_region(to);
    }
    try {
        memory_.reclaim();
    } catch (const std::bad_alloc&) {  // published all the same; the next commit reclaims
    }
    return generation;
}

// Where the dimension goes. Its readers stay the same, unless the options say otherwise.
std::shared_ptr<Region> Relocator::target_of(Dimension dimension, const DimensionOptions& options,
                                             const std::string& operation) {
    const PublishedDimension& old = *current_.find(dimension);
    const FileAccess present = present_access_of(*old.region);
    if (placement_.wants_own_region(options)) {
        DimensionOptions wanted = options;
        if (!wanted.access) {
            wanted.access = present;
        }
        return memory_.new_region(dimension, wanted);
    }
    std::shared_ptr<Region> to = placement_.shared_region_for(copy_bytes(old.state.live_bytes));
    if (admits_more(present_access_of(*to), present)) {
        ipc::fail(Errc::invalid_argument, operation, to->path(),
                  "whoever may read that file could read dimension " + std::to_string(dimension) +
                      ", whose own file is closed to some of them",
                  "if they may, first move it to a file of its own with that access");
    }
    return to;
}

void Relocator::make_room_for_copy(std::uint64_t bytes, const std::string& operation) {
    const std::uint64_t needed = bytes + MemoryBudget::reserve_of(budget_.limit());
    const auto room = [&] { return budget_.limit() - std::min(budget_.limit(), budget_.used()); };
    if (room() >= needed) {
        return;
    }
    memory_.make_room(needed - room());
    if (room() >= needed) {
        return;
    }
    counters_.allocation_failures.add(1);
    throw Error({.code = Errc::limit_exceeded,
                 .operation = operation,
                 .path = store_.path().string(),
                 .detail = "for a moment there are two copies, and the second takes up to " +
                           std::to_string(bytes) + " bytes; the limit is " +
                           std::to_string(budget_.limit()) + ", in use are " +
                           std::to_string(budget_.used()),
                 .hint = "raise the limit (set_memory_limit) for the time of the move",
                 .needed = needed,
                 .limit = budget_.limit(),
                 .current = budget_.used()});
}

std::shared_ptr<Region> Relocator::new_region_like(Dimension dimension, const Region& region) {
    if (region.owner) {
        return memory_.new_region(
            dimension, {.max_bytes = region.max_bytes(), .access = present_access_of(region)});
    }
    return memory_.new_region(std::nullopt, {.access = present_access_of(region)});
}

bool Relocator::leave_full(Dimension dimension, const Region& region, std::uint64_t needed) {
    if (region.owner) {
        return false;
    }
    if (const PublishedDimension* const published = current_.find(dimension)) {
        const std::uint64_t live = published->state.live_bytes;
        return copy_bytes(live) + needed < region.max_bytes() && relocate({&dimension, 1});
    }
    // Nothing of it is published: what its batches have put there, they take along. Unless nobody
    // else has anything there: then the next region would be full as well.
    const auto home = homes_.find(dimension);
    if (!home || home->region.get() != &region || !current_.regions().contains(region.serial)) {
        return false;
    }
    const std::shared_ptr<Region> fresh = new_region_like(dimension, region);
    placement_.set_shared_region(fresh);
    homes_.set(dimension, fresh, home->lineage);
    return true;
}

bool Relocator::relocate_for(const std::string& path) {
    if (options_.slow_readers.policy != SlowReaderPolicy::relocate || reclaimer_.pins().empty()) {
        return false;
    }
    try {
        const Region* const chosen = most_wasteful(path);
        return chosen != nullptr && relocate(dimensions_in(*chosen));
    } catch (const std::bad_alloc&) {
        return false;
    }
}

// The one at `path` if it is one dimension's own; null if leaving none would pay.
const Region* Relocator::most_wasteful(const std::string& path) const {
    std::map<std::uint64_t, std::uint64_t> live;  // by serial
    for (const auto& [number, dimension] : current_.dimensions()) {
        if (dimension.region->owner && dimension.region->path() == path) {
            return dimension.region.get();
        }
        live[dimension.region->serial] += dimension.state.live_bytes;
    }
    const Region* chosen = nullptr;
    std::uint64_t most = 0;
    for (const auto& [serial, used] : current_.regions()) {
        const std::uint64_t committed = used.region->committed_bytes();
        const auto found = live.find(serial);
        if (found == live.end() || committed <= copy_bytes(found->second)) {
            continue;
        }
        const std::uint64_t gain = committed - copy_bytes(found->second);
        if (gain > most) {
            most = gain;
            chosen = used.region.get();
        }
    }
    return chosen;
}

std::vector<Dimension> Relocator::dimensions_in(const Region& region) const {
    std::vector<Dimension> found;
    for (const auto& [number, dimension] : current_.dimensions()) {
        if (dimension.region.get() == &region) {
            found.push_back(number);
        }
    }
    std::sort(found.begin(), found.end());
    return found;
}

}  // namespace strata::producer_impl
