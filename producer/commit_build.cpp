// SPDX-License-Identifier: Apache-2.0
// What a commit builds before anybody can see it: new index nodes, records, the root. All of it may
// fail, and is undone then.
#include <algorithm>
#include <cstring>

#include "ipc/checksum.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "producer/commit.hpp"
#include "strata/core_dimensions.hpp"

namespace strata::producer_impl {

using ipc::DimensionRecord;
using ipc::RootRecord;

// As Store::allocate, but with the locks held already.
std::uint64_t Store::Commit::room(Region& region, std::uint64_t bytes) {
    const std::uint64_t birth = store.epoch_.load(std::memory_order_relaxed);
    for (int attempt = 0;; ++attempt) {
        const Region::Allocation result =
            region.allocate_held(bytes, ipc::block_unit, birth, reserve);
        if (result.refusal == Region::Refusal::none) {
            return result.offset;
        }
        // Reclaiming locks the regions itself. What this commit has read and built stays as it is:
        // the former is reachable, the latter allocated, and the commit mutex is still held.
        Region* const held = std::exchange(layers_region, nullptr);
        if (held != nullptr) {
            held->unlock();
        }
        store.control_.unlock();
        const bool hopeless = attempt == 2 || !store.make_room(result.needed);
        if (!hopeless) {
            store.control_.lock();
            if (held != nullptr) {
                held->lock();
                layers_region = held;
            }
            continue;
        }
        store.allocation_failures_.fetch_add(1, std::memory_order_relaxed);
        try {
            store.fail_allocation(region, result, bytes, store.operation("crystallize"));
        } catch (...) {
            store.control_.lock();  // as the destructor expects it
            throw;
        }
    }
}

void Store::Commit::apply_dimensions() {
    std::span<const BatchOp> ops(batch.ops());
    for (const BatchDimension& wish : batch.dimensions()) {
        if (!wish.touched) {
            continue;
        }
        const Dimension number = wish.number;
        const auto end = std::find_if(ops.begin(), ops.end(), [number](const BatchOp& op) {
            return op.id.dimension != number;
        });
        const std::span<const BatchOp> own(ops.begin(), end);
        ops = std::span<const BatchOp>(end, ops.end());

        const auto found = store.published_.find(number);
        Region* const old = found != store.published_.end() ? found->second.get() : nullptr;
        Region* const wished = wish.region.get();
        Region* const region = wish.remove || wished != nullptr ? wished : old;
        if (region == nullptr && old == nullptr) {
            continue;  // erases in, or removal of, a dimension that is not there
        }
        if (!wish.remove && old != nullptr && region != old) {
            ipc::fail(Errc::dimension_not_found, store.operation("crystallize"), "",
                      "dimension " + std::to_string(number) +
                          " was removed or replaced since the batch was begun",
                      "clear the batch and prepare it anew");
        }
        if (!wish.remove && wished != nullptr && old == nullptr &&
            wished->published.record_offset != 0) {
            ipc::fail(
                Errc::dimension_not_found, store.operation("crystallize"), "",
                "dimension " + std::to_string(number) + " was removed since the batch was begun",
                "clear the batch and prepare it anew");
        }
        layout_changed = layout_changed || region != old;
        Changed& changed = changes.emplace_back(number, region, old);
        if (region != old) {
            changed.made = wish.region;
        }
        if (region != nullptr) {
            changed.state = region->published;
            const bool renamed = wish.add && !wish.name.empty() && wish.name != changed.state.name;
            if (renamed) {
                changed.state.name = wish.name;
            } else if (changed.state.name.empty()) {
                changed.state.name = core_dimension_name(changed.dimension);
                if (changed.state.name.empty()) {
                    changed.state.name = std::string("D").append(std::to_string(changed.dimension));
                }
            }
            apply_layers(changed, own);
            const bool same =
                region == old && !renamed && changed.state.index == old->published.index;
            if (same) {  // erased what was not there
                changes.pop_back();
                continue;
            }
            write_record(changed);
        }
    }
}

void Store::Commit::check_names(const Region& region, IndexRoot index,
                                std::span<const BatchOp> ops) const {
    CommitTrail unused;
    const IndexWriter reader(const_cast<Region&>(region), allocate, unused);
    for (const BatchOp& op : ops) {
        if (!op.named) {
            continue;
        }
        const std::uint64_t entry = reader.find(index, op.id.layer);
        if (entry == 0) {
            continue;
        }
        const std::string_view other = layer_name(region.at(ipc::entry_offset(entry)));
        const std::string_view own = layer_name(op.region->at(op.header));
        if (other != own) {
            ipc::fail(Errc::name_collision, store.operation("crystallize"), region.path(),
                      "the layer name " + ipc::quoted(own) + " has number " +
                          std::to_string(op.id.layer) + ", which belongs to " +
                          (other.empty() ? "a layer without a name" : ipc::quoted(other)),
                      "rename one of them");
        }
    }
}

void Store::Commit::apply_layers(Changed& changed, std::span<const BatchOp> ops) {
    Region& region = *changed.region;
    const IndexRoot before{changed.state.index, changed.state.levels};
    check_names(region, before, ops);
    scratch.clear();
    scratch.reserve(ops.size());
    for (const BatchOp& op : ops) {
        std::uint64_t entry = 0;
        if (op.header != 0) {
            auto* const header = region.at<ipc::LayerHeader>(op.header);
            if (!batch.relocates()) {  // a layer that only moves stays what it is
                header->generation = generation;
                STRATA_CRASH_POINT("commit.layer-stamped");
            }
            entry = ipc::layer_entry(op.header, header->payload_bytes, header->alignment);
            changed.state.live_bytes += BlockAllocator::rounded_bytes(
                layer_allocation_bytes(header->payload_bytes, header->metadata_bytes,
                                       header->alignment),
                header->alignment);
        }
        scratch.push_back({op.id.layer, entry});
    }
    const std::size_t allocated = trail.allocated.size();
    const std::size_t retired_before = trail.retired.size();
    region.lock();
    layers_region = &region;
    IndexWriter writer(region, allocate, trail);
    const IndexRoot after = writer.apply(before, scratch);
    changed.state.index = after.entry;
    changed.state.levels = after.levels;
    changed.state.layers += static_cast<std::uint64_t>(writer.layers_delta());
    for (std::size_t i = allocated; i < trail.allocated.size(); ++i) {
        changed.state.live_bytes += BlockAllocator::rounded_bytes(trail.allocated[i].bytes);
    }
    const auto retired_here = std::span(trail.retired).subspan(retired_before);
    region.fill_facts_held(retired_here);
    for (const CommitTrail::Block& block : retired_here) {
        changed.state.live_bytes -= block.bytes;
    }
    changed.committed_bytes = region.end_held();
    layers_region = nullptr;
    region.unlock();
}

void Store::Commit::write_record(Changed& changed) {
    trail.allocated.reserve(trail.allocated.size() + 1);
    const std::uint64_t offset = allocate(store.control_, sizeof(DimensionRecord));
    trail.allocated.push_back({&store.control_, offset, sizeof(DimensionRecord), 0});
    DimensionRecord record{};
    record.dimension = changed.dimension;
    record.serial = changed.region->serial;
    record.index = changed.state.index;
    record.index_levels = changed.state.levels;
    record.name_bytes = static_cast<std::uint32_t>(changed.state.name.size());
    record.layers = changed.state.layers;
    record.live_bytes = changed.state.live_bytes;
    record.committed_bytes = changed.committed_bytes;
    record.generation = generation;
    std::memcpy(record.name, changed.state.name.data(), changed.state.name.size());
    record.checksum = ipc::record_checksum(record);
    std::memcpy(store.control_.at(offset), &record, sizeof(record));
    STRATA_CRASH_POINT("commit.record-written");
    changed.state.record_offset = offset;
    changed.state.generation = generation;
}

void Store::Commit::write_directory() {
    scratch.clear();
    root = store.root_;
    for (const Changed& changed : changes) {
        if (changed.old != nullptr) {
            root.layers -= changed.old->published.layers;
            root.live_bytes -= changed.old->published.live_bytes;
        }
        std::uint64_t entry = 0;
        if (changed.region != nullptr) {
            root.layers += changed.state.layers;
            root.live_bytes += changed.state.live_bytes;
            entry = ipc::layer_entry(changed.state.record_offset,
                                     sizeof(DimensionRecord) - sizeof(ipc::LayerHeader));
        }
        scratch.push_back({changed.dimension, entry});
    }
    const std::size_t before = trail.retired.size();
    IndexWriter writer(store.control_, allocate, trail);
    const IndexRoot directory =
        writer.apply({store.root_.directory, store.root_.directory_levels}, scratch);
    root.directory = directory.entry;
    root.directory_levels = directory.levels;
    root.dimensions = static_cast<std::uint32_t>(root.dimensions + writer.layers_delta());
    trail.retired.push_back({&store.control_, store.root_offset_, 0, 0});
    store.control_.fill_facts_held(std::span(trail.retired).subspan(before));
}

void Store::Commit::write_root() {
    trail.allocated.reserve(trail.allocated.size() + 1);
    root_offset = allocate(store.control_, sizeof(RootRecord));
    trail.allocated.push_back({&store.control_, root_offset, sizeof(RootRecord), 0});
    root.generation = generation;
    root.committed_bytes = store.budget_.used();
    root.control_bytes = store.control_.end_held();
    root.published_at_ns = ipc::os::realtime_ns();
    store.check_name(root.published_at_ns);
    if (layout_changed) {
        root.layout_generation = generation;
    }
    root.oldest_retained =
        std::max(store.first_retained_,
                 generation > store.retain_ ? generation - store.retain_ : Generation{1});
    root.next_serial = store.next_serial_.load(std::memory_order_relaxed);
    root.epoch = store.epoch_.load(std::memory_order_relaxed);
    root.memory_limit = store.budget_.limit();
    root.checksum = ipc::record_checksum(root);
    std::memcpy(store.control_.at(root_offset), &root, sizeof(root));
}

}  // namespace strata::producer_impl
