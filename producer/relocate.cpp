// SPDX-License-Identifier: Apache-2.0
// Moving on from slow readers: a dimension's live layers are copied to a fresh region file, which
// one generation puts in the old one's place. No layer changes by it. The old file's blocks are
// retired like any others: those that no pin protects are given back at once.
#include <algorithm>
#include <cstring>
#include <new>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "producer/batch_state.hpp"
#include "producer/store.hpp"
#include "strata/dimension_range.hpp"

namespace strata::producer_impl {

namespace {

ipc::IndexView index_of(const Region& region) {
    const Published& state = region.published;
    return {.base = region.at(0),
            .limit = region.end(),
            .root = state.index,
            .levels = state.levels,
            .slot = 0,
            .layers = state.layers};
}

// Also after chmod or chgrp by hand: whoever may not read the old file must not read the new one.
FileAccess access_of(const Region& region) {
    const auto status = ipc::os::status(region.file().get());
    if (!status) {
        ipc::fail_errno(status.error, "move dimension", region.path(), "cannot read its status");
    }
    return {.mode = (status.value.mode & ipc::most_file_mode) | 0600U, .group = status.value.group};
}

}  // namespace

// Copies the block behind `header` of `from`; offset of the header in `to`. No room: 0.
std::uint64_t Store::copy_layer(const Region& from, std::uint64_t header, Region& to) {
    ipc::LayerHeader fields;
    std::memcpy(&fields, from.at(header), sizeof(fields));
    const std::uint64_t bytes =
        layer_allocation_bytes(fields.payload_bytes, fields.metadata_bytes, fields.alignment);
    const Region::Allocation room =
        to.allocate(bytes, fields.alignment, epoch_.load(std::memory_order_relaxed), Reserve::keep);
    if (room.refusal != Region::Refusal::none) {
        return 0;
    }
    const std::uint64_t pad = fields.alignment - ipc::block_unit;
    // Safe: the allocation was just made for as many bytes as the old block has.
    std::memcpy(to.at(room.offset + pad), from.at(header), bytes - pad);
    STRATA_CRASH_POINT("relocate.layer-copied");
    return room.offset + pad;
}

bool Store::relocate(const std::shared_ptr<Region>& old) {
    const std::uint64_t room =
        budget_.limit() - std::min(budget_.limit(), budget_.used()) + trim_locked(ipc::page_bytes);
    // A little more than the blocks: slabs are not filled to the last place.
    if (room < old->published.live_bytes + old->published.live_bytes / 8 +
                   MemoryBudget::reserve_of(budget_.limit()) + Region::initial_bytes) {
        return false;
    }
    try {
        BatchState batch(*this);
        const std::shared_ptr<Region> fresh = new_region(
            old->dimension, {.max_bytes = old->max_bytes(), .access = access_of(*old)}, true);
        STRATA_CRASH_POINT("relocate.file-made");
        fresh->lineage = old->lineage;
        batch.begin_relocation(old, fresh);
        const ipc::IndexView index = index_of(*old);
        const DimensionRange layers(&index);
        for (auto it = layers.begin(); it != layers.end(); ++it) {
            const auto header =
                static_cast<std::uint64_t>(it->data() - index.base) - sizeof(ipc::LayerHeader);
            if (!batch.relocate_layer(it.number(), header)) {
                return false;
            }
        }
        STRATA_CRASH_POINT("relocate.copied");
        commit_locked(batch);
        STRATA_CRASH_POINT("relocate.committed");
        ++relocations_;
        reclaim_locked();
        STRATA_CRASH_POINT("relocate.reclaimed");
        trim_locked(ipc::page_bytes);
    } catch (const Error&) {  // the caller reports what it wanted room for
    } catch (const std::bad_alloc&) {
    }
    return old->moved();  // what comes after publishing may fail without harm
}

// Something of `wanted` has no room: gives its dimension, or else the one with the most memory that
// is not live, a fresh file. Commit mutex held, no commit under way.
bool Store::move_on(const std::string& wanted) {
    if (options_.slow_readers.policy != SlowReaderPolicy::move_on || last_pins_.empty()) {
        return false;
    }
    std::shared_ptr<Region> chosen;
    std::uint64_t most = 0;
    for (const auto& [dimension, region] : published_) {
        if (!region) {
            continue;
        }
        if (region->path() == wanted) {
            chosen = region;
            break;
        }
        const std::uint64_t committed = region->committed_bytes();
        const std::uint64_t gain = committed - std::min(committed, region->published.live_bytes);
        if (gain > most) {
            most = gain;
            chosen = region;
        }
    }
    return chosen && relocate(chosen);
}

// A pin is reported once, with each process that holds it.
void Store::find_slow_readers(std::span<const ipc::EpochRange> pinned) {
    const SlowReaderOptions& limits = options_.slow_readers;
    if (!limits.on_slow_reader) {
        return;
    }
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
    for (const ipc::EpochRange& range : pinned) {
        PinNote& note = pins_since_.at(range.first);
        SlowReader slow{.pid = 0,
                        .epoch = range.first,
                        .age = std::chrono::steady_clock::now() - note.since,
                        .epochs_behind = epoch - range.first,
                        .held_bytes = limbo_.held_by(range)};
        for (const RetiredFile& file : retired_files_) {
            std::uint64_t holder = 0;
            if (file.region && is_pinned(pinned, file.birth, file.tag, holder) &&
                holder == range.first) {
                // Of a file that was moved on from, all blocks wait in limbo and are counted
                // already.
                slow.held_bytes += file.region->moved() ? 0 : file.region->published.live_bytes;
            }
        }
        const bool is_slow =
            (limits.max_age.count() > 0 && slow.age >= limits.max_age) ||
            (limits.max_epochs > 0 && slow.epochs_behind >= limits.max_epochs) ||
            (limits.max_held_bytes > 0 && slow.held_bytes >= limits.max_held_bytes);
        if (!is_slow || note.reported) {
            continue;
        }
        note.reported = true;
        for (const ipc::PinHolder& holder : ipc::pin_holders(control_.file().get(), range.last)) {
            if (holder.epoch >= range.first) {
                slow.pid = holder.pid;
                slow.epoch = holder.epoch;
                slow_notices_.push_back(slow);
            }
        }
        slow_waiting_.store(!slow_notices_.empty(), std::memory_order_relaxed);
    }
}

}  // namespace strata::producer_impl
