// SPDX-License-Identifier: Apache-2.0
// What a commit builds before anybody can see it: new index nodes, records, the root. All of it may
// fail, and is undone then.
#include <algorithm>
#include <cstring>
#include <mutex>
#include <utility>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/format/layer_block.hpp"
#include "producer/commit/commit.hpp"
#include "producer/index_tracer.hpp"
#include "strata/dimension_range.hpp"

namespace strata::producer_impl {

using ipc::DimensionRecord;
using ipc::RootRecord;

namespace {

/// Retires all that an index reaches.
class TreeRetirer final : public IndexTracer {
public:
    TreeRetirer(Region& region, const ipc::IndexView& index, Dimension dimension,
                std::string_view operation, CommitTrail& trail)
        : IndexTracer(region, index, dimension, operation), trail_(trail) {}

private:
    bool claim(std::uint64_t offset, std::uint64_t, std::uint64_t, std::uint64_t) override {
        trail_.retired.push_back({.region = &region(),
                                  .offset = offset,
                                  .birth = Retired::birth_in_region,
                                  .tag = 0,
                                  .bytes = 0});  // not known while the region is not locked
        return true;
    }

    CommitTrail& trail_;
};

}  // namespace

bool Commit::build() {
    apply_dimensions();
    STRATA_CRASH_POINT("commit.layers-applied");
    if (changes_.empty()) {  // it only removed what was not there
        return false;
    }
    write_directory();
    STRATA_CRASH_POINT("commit.directory-written");
    write_root();
    STRATA_CRASH_POINT("commit.root-written");
    return true;
}

// With the allocators' locks held.
std::uint64_t Commit::allocate_refused(Region& region, std::uint64_t bytes,
                                       Region::Allocation refusal) {
    Region& control = parts_.control.region();
    for (int attempt = 0; refusal.refusal != Region::Refusal::none; ++attempt) {
        // Reclaiming locks the regions itself. What this commit has read and built stays as it is:
        // the former is reachable, the latter allocated, and the commit lock is still held.
        Region* const held = std::exchange(layers_region_, nullptr);
        if (held != nullptr) {
            held->unlock();
        }
        control.unlock();
        try {
            if (attempt == 2 || !parts_.memory.make_room(refusal.needed)) {
                parts_.counters.allocation_failures.add(1);
                parts_.memory.fail(region, refusal, bytes, operation());
            }
        } catch (...) {
            control.lock();  // as the destructor expects it
            throw;
        }
        control.lock();
        if (held != nullptr) {
            held->lock();
            layers_region_ = held;
        }
        refusal = region.allocate_held(bytes, ipc::block_unit, birth(), reserve());
    }
    return refusal.offset;
}

void Commit::apply_dimensions() {
    std::span<const BatchOp> ops(batch_.ops());
    for (const BatchDimension& wish : batch_.dimensions()) {
        const auto end = std::find_if(ops.begin(), ops.end(), [&](const BatchOp& op) {
            return op.id.dimension != wish.number;
        });
        const std::span<const BatchOp> own(ops.begin(), end);
        ops = std::span<const BatchOp>(end, ops.end());
        apply_dimension(wish, own);
    }
}

void Commit::apply_dimension(const BatchDimension& wish, std::span<const BatchOp> ops) {
    PublishedDimension* const old = parts_.current.find(wish.number);
    Region* const old_region = old != nullptr ? old->region.get() : nullptr;
    Region* const wished = wish.home.region.get();
    Region* const region = wish.remove || wished != nullptr ? wished : old_region;
    if (region == nullptr && old == nullptr) {
        return;  // erases in, or removal of, a dimension that is not there
    }
    if (!wish.remove && wished != nullptr) {
        check_lineage(wish, old);
    }
    Changed& changed = changes_.emplace_back();
    changed.dimension = wish.number;
    changed.old = old;
    changed.old_region = old_region;
    changed.region = region;
    changed.replaced = old != nullptr && wish.remove;
    layout_changed_ = layout_changed_ || changed.moves();
    if (changed.moves()) {
        changed.home = wish.home;
    }
    if (changed.replaced) {
        retire_old(changed);
    }
    if (region == nullptr) {
        return;
    }
    if (!changed.moves()) {
        changed.state = old->state;
    }
    const std::string_view known = changed.moves() ? std::string_view() : old->name;
    const bool renamed = wish.add && !wish.name.empty() && wish.name != known;
    if (renamed) {
        changed.name = wish.name;
    } else if (known.empty()) {
        changed.name =
            !wish.name_if_new.empty() ? wish.name_if_new : "D" + std::to_string(wish.number);
    }
    layout_changed_ = layout_changed_ || !changed.name.empty();
    apply_layers(changed, wish, ops);
    if (!changed.moves() && !renamed && changed.state.index == old->state.index) {
        changes_.pop_back();  // erased what was not there
        return;
    }
    write_record(changed);
}

// What a batch has put into a dimension must not appear in another one of the same number.
void Commit::check_lineage(const BatchDimension& wish, const PublishedDimension* old) const {
    bool same = old == nullptr || old->lineage == wish.home.lineage;
    if (same && wish.homes_version != parts_.homes.version()) {  // seldom: it takes a lock
        const auto home = parts_.homes.find(wish.number);
        same = home && home->lineage == wish.home.lineage && home->region == wish.home.region;
    }
    if (!same) {
        ipc::fail(Errc::dimension_not_found, operation(), parts_.directory.path,
                  "dimension " + std::to_string(wish.number) +
                      " was removed or replaced since the batch was begun",
                  "clear the batch and prepare it anew");
    }
}

// A region of the dimension's own is retired as a file. In a shared one each block is retired; so
// are blocks that were relocated, so that those that no reader holds are freed at once.
void Commit::retire_old(const Changed& changed) {
    if (changed.old_region->owner && !batch_.relocates()) {
        return;
    }
    Region& region = *changed.old_region;
    const ipc::IndexView index = changed.old->index();
    const std::size_t before = trail_.retired.size();
    TreeRetirer(region, index, changed.dimension, operation(), trail_).walk();
    const std::lock_guard lock(region);
    for (Retired& block : std::span(trail_.retired).subspan(before)) {
        block.bytes = region.block_bytes_held(block.offset);
    }
}

void Commit::check_names(Region& region, IndexRoot index, std::span<const BatchOp> ops) const {
    for (const BatchOp& op : ops) {
        if (!op.named) {
            continue;
        }
        const std::uint64_t entry = find_entry(region, index, op.id.layer);
        if (entry == 0) {
            continue;
        }
        const ipc::LayerBlock old(region.at(ipc::entry_offset(entry)));
        const ipc::LayerBlock block(op.region->at(op.header));
        const std::string_view other = old.name(old.shape());
        const std::string_view own = block.name(block.shape());
        if (other != own) {
            ipc::fail(Errc::name_collision, operation(), region.path(),
                      "the layer name " + ipc::quoted(own) + " has number " +
                          std::to_string(op.id.layer) + ", which belongs to " +
                          (other.empty() ? "a layer without a name" : ipc::quoted(other)),
                      "rename one of them");
        }
    }
}

// Erases every layer of the dimension that the batch does not put, keeping the changes sorted.
void Commit::erase_others(const Changed& changed) {
    const auto puts = static_cast<std::ptrdiff_t>(index_changes_.size());
    const ipc::IndexView index = changed.old->index();
    const DimensionRange layers(&index);
    std::ptrdiff_t next = 0;
    for (auto it = layers.begin(); it != layers.end(); ++it) {
        const auto put = [&] { return index_changes_[static_cast<std::size_t>(next)].key; };
        while (next < puts && put() < it.number()) {
            ++next;
        }
        if (next == puts || put() != it.number()) {
            index_changes_.push_back({it.number(), 0});
        }
    }
    std::ranges::inplace_merge(index_changes_, index_changes_.begin() + puts, {},
                               &IndexChange::key);
}

void Commit::apply_layers(Changed& changed, const BatchDimension& wish,
                          std::span<const BatchOp> ops) {
    Region& region = *changed.region;
    const IndexRoot before{changed.state.index, changed.state.levels};
    const bool clear = wish.clear && !changed.moves();
    if (!clear) {
        check_names(region, before, ops);
    }
    index_changes_.clear();
    index_changes_.reserve(ops.size());
    for (const BatchOp& op : ops) {
        std::uint64_t entry = 0;
        if (op.header != 0) {
            std::byte* const block = region.at(op.header);
            if (!batch_.relocates()) {  // relocating a layer does not change it
                ipc::LayerDraft::stamp(block, generation_);
                STRATA_CRASH_POINT("commit.layer-stamped");
            }
            const ipc::LayerBlock layer(block);
            const ipc::LayerShape shape = layer.shape();
            entry = ipc::layer_entry(op.header, layer.shape_word() & ~ipc::LayerShape::tail_bits);
            changed.state.digest += ipc::mix_checksum(layer.kept_checksum());
            changed.state.live_bytes +=
                BlockAllocator::rounded_bytes(shape.allocation_bytes(), shape.alignment);
        }
        index_changes_.push_back({op.id.layer, entry});
    }
    if (clear) {
        erase_others(changed);
    }
    trail_.replaced.clear();
    region.lock();
    layers_region_ = &region;
    IndexWriter writer(region, *this);
    const IndexRoot after = writer.apply(before, index_changes_);
    changed.state.index = after.entry;
    changed.state.levels = after.levels;
    changed.state.layers += static_cast<std::uint64_t>(writer.layers_delta());
    changed.state.live_bytes += writer.bytes_delta();
    for (const std::uint64_t header : trail_.replaced) {
        changed.state.digest -=
            ipc::mix_checksum(ipc::LayerBlock(region.at(header)).kept_checksum());
    }
    changed.committed_bytes = region.end_held();
    layers_region_ = nullptr;
    region.unlock();
}

void Commit::write_record(Changed& changed) {
    Region& control = parts_.control.region();
    const std::uint64_t offset = allocate(control, sizeof(DimensionRecord));
    const std::string_view name =
        changed.old != nullptr && changed.name.empty() ? changed.old->name : changed.name;
    DimensionRecord record{};
    record.dimension = changed.dimension;
    record.serial = changed.region->serial;
    record.index = changed.state.index;
    record.index_levels = static_cast<std::uint16_t>(changed.state.levels);
    record.name_bytes = static_cast<std::uint16_t>(name.size());
    record.committed_pages = static_cast<std::uint32_t>(changed.committed_bytes / ipc::page_bytes);
    record.layers = changed.state.layers;
    record.live_bytes = changed.state.live_bytes;
    record.digest = changed.state.digest;
    record.generation = generation_;
    name.copy(record.name, name.size());
    record.checksum = ipc::record_checksum(record);
    std::memcpy(control.at(offset), &record, sizeof(record));
    STRATA_CRASH_POINT("commit.record-written");
    changed.state.record_offset = offset;
    changed.state.record_checksum = record.checksum;
    changed.state.generation = generation_;
}

void Commit::write_directory() {
    Region& control = parts_.control.region();
    index_changes_.clear();
    root_ = parts_.current.root();
    for (const Changed& changed : changes_) {
        if (changed.old != nullptr) {
            root_.digest -= changed.old->state.digest;
            root_.records -= ipc::mix_checksum(changed.old->state.record_checksum);
            root_.layers -= changed.old->state.layers;
            root_.live_bytes -= changed.old->state.live_bytes;
        }
        std::uint64_t entry = 0;
        if (changed.region != nullptr) {
            root_.digest += changed.state.digest;
            root_.records += ipc::mix_checksum(changed.state.record_checksum);
            root_.layers += changed.state.layers;
            root_.live_bytes += changed.state.live_bytes;
            entry = ipc::record_entry(changed.state.record_offset);
        }
        index_changes_.push_back({changed.dimension, entry});
    }
    IndexWriter writer(control, *this);
    const IndexRoot directory =
        writer.apply({root_.directory, root_.directory_levels}, index_changes_);
    root_.directory = directory.entry;
    root_.directory_levels = directory.levels;
    root_.dimensions = static_cast<std::uint32_t>(root_.dimensions + writer.layers_delta());
    trail_.retire(control, parts_.current.root_offset());
}

// (Generation 1 has no commit: producer/lifecycle/create.cpp writes its record.)
void Commit::write_root() {
    Region& control = parts_.control.region();
    root_offset_ = allocate(control, sizeof(RootRecord));
    root_.generation = generation_;
    root_.committed_bytes = parts_.budget.used();
    root_.control_bytes = control.end_held();
    root_.published_at_ns = ipc::os::realtime_ns();
    if (layout_changed_) {
        root_.layout_generation = generation_;
    }
    root_.oldest_retained = parts_.reclaimer.plan_retention(generation_);
    root_.next_serial = parts_.factory.next_serial();
    root_.epoch = parts_.reclaimer.epoch();
    root_.memory_limit = parts_.budget.limit();
    root_.previous = parts_.current.root_offset();
    root_.previous_generation = parts_.current.root().generation;
    root_.checksum = ipc::record_checksum(root_);
    std::memcpy(control.at(root_offset_), &root_, sizeof(root_));
}

}  // namespace strata::producer_impl
