// SPDX-License-Identifier: Apache-2.0
// Publishing a batch. Everything that can fail happens before the root is stored; what comes after
// cannot fail.
#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include <boost/container/small_vector.hpp>

#include "ipc/atomic_word.hpp"
#include "ipc/checksum.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "producer/batch_state.hpp"
#include "producer/store.hpp"
#include "strata/core_dimensions.hpp"

namespace strata::producer_impl {

using ipc::DimensionRecord;
using ipc::RootRecord;

/// One commit under way. Undone by its destructor unless `publish` was reached.
struct Store::Commit {
    struct Changed {
        Dimension dimension;
        std::shared_ptr<Region> region;  // null: removed
        std::shared_ptr<Region> old;     // published before; differs if removed or replaced
        Published state;                 // to be
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
    void publish() noexcept;

    Store& store;
    BatchState& batch;
    CommitTrail& trail;
    std::vector<IndexChange>& scratch;
    const Generation generation;
    Reserve reserve;
    const Allocate allocate;
    boost::container::small_vector<Changed, 1> changes;  // most commits: one
    RootRecord root{};
    std::uint64_t root_offset = 0;
    bool layout_changed = false;
    // The allocator's locks are held all along: the control file's, and that of the region whose
    // layers are being applied.
    Region* layers_region = nullptr;
    std::vector<RetiredFile> retired_files;
    bool published = false;
};

Generation Store::commit(BatchState& batch) {
    check_process("crystallize");
    batch.settle();
    const Notices notices(*this);
    const std::lock_guard lock(commit_mutex_);
    try {
        return commit_locked(batch);
    } catch (const Error& error) {
        const bool no_room = error.code() == Errc::limit_exceeded || error.code() == Errc::no_space;
        if (!no_room || !move_on(error.path())) {
            throw;
        }
    }
    return commit_locked(batch);
}

Generation Store::commit_locked(BatchState& batch) {
    if (batch.size() == 0) {
        return root_.generation;
    }
    batch.follow_moves();
    {
        Commit commit(*this, batch);
        STRATA_CRASH_POINT("commit.begin");
        commit.apply_dimensions();
        STRATA_CRASH_POINT("commit.layers-applied");
        if (commit.changes.empty()) {  // it only removed what was not there
            batch.clear();
            return root_.generation;
        }
        const auto left_behind = batch.left_behind();
        trail_.retired.insert(trail_.retired.end(), left_behind.begin(), left_behind.end());
        commit.write_directory();
        STRATA_CRASH_POINT("commit.directory-written");
        commit.write_root();
        STRATA_CRASH_POINT("commit.root-written");
        commit.prepare_retiring();
        commit.publish();
        for (const Commit::Changed& changed : commit.changes) {
            if (changed.region && changed.region != changed.old) {
                publish_first_table(*changed.region, root_.published_at_ns);
            }
        }
    }
    STRATA_CRASH_POINT("commit.published");
    batch.forget();
    // Worth the two system calls when a good part of the store could be reused.
    const std::uint64_t worth = std::clamp<std::uint64_t>(
        std::min(root_.live_bytes / 16, budget_.limit() / 32), 64 << 10, 16 << 20);
    const std::int64_t patience_ns = options_.slow_readers.max_age.count() / 4;
    const std::int64_t since_ns = root_.published_at_ns - last_reclaim_ns_;  // < 0: set back
    const bool look_at_readers =
        patience_ns > 0 && limbo_.bytes() > 0 && (since_ns > patience_ns || since_ns < 0);
    if (limbo_.fresh_bytes() >= worth || look_at_readers) {
        try {
            reclaim_locked();
        } catch (const std::bad_alloc&) {  // what is published must not look refused: later, then
        }
    }
    STRATA_CRASH_POINT("commit.reclaimed");
    publish_statistics(root_.published_at_ns);
    return root_.generation;
}

// Now and then: what is published in files that have no name is lost on every new consumer.
void Store::check_name(std::int64_t now_ns) {
    constexpr std::int64_t period_ns = 100'000'000;
    if (now_ns >= last_name_check_ns_ && now_ns - last_name_check_ns_ < period_ns) {
        return;
    }
    if (ipc::is_replaced(directory_, control_.file())) {
        ipc::fail(Errc::store_replaced, operation("crystallize"), directory_.path,
                  "the store was removed, or another one stands under its name",
                  "create it anew; attached consumers read what was published before");
    }
    last_name_check_ns_ = now_ns;
}

// As Store::allocate, but with the locks held already.
std::uint64_t Store::Commit::room(Region& region, std::uint64_t bytes) {
    const std::uint64_t birth = store.epoch_.load(std::memory_order_relaxed);
    for (int attempt = 0;; ++attempt) {
        const Region::Allocation result =
            region.allocate_held(bytes, ipc::block_unit, birth, reserve);
        if (result.refusal == Region::Refusal::none) {
            store.allocations_.fetch_add(1, std::memory_order_relaxed);
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
        const std::shared_ptr<Region> old =
            found != store.published_.end() ? found->second : nullptr;
        Changed changed{.dimension = number,
                        .region = wish.remove ? wish.region : (wish.region ? wish.region : old),
                        .old = old,
                        .state = {}};
        if (!changed.region && !old) {
            continue;  // erases in, or removal of, a dimension that is not there
        }
        if (!wish.remove && old && changed.region != old) {
            ipc::fail(Errc::dimension_not_found, store.operation("crystallize"), "",
                      "dimension " + std::to_string(number) +
                          " was removed or replaced since the batch was begun",
                      "clear the batch and prepare it anew");
        }
        if (!wish.remove && wish.region && !old && wish.region->published.record_offset != 0) {
            ipc::fail(
                Errc::dimension_not_found, store.operation("crystallize"), "",
                "dimension " + std::to_string(number) + " was removed since the batch was begun",
                "clear the batch and prepare it anew");
        }
        layout_changed = layout_changed || changed.region != old;
        if (changed.region) {
            changed.state = changed.region->published;
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
                changed.region == old && !renamed && changed.state.index == old->published.index;
            if (same) {
                continue;  // erased what was not there
            }
            write_record(changed);
        }
        changes.push_back(std::move(changed));
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
        if (changed.old) {
            root.layers -= changed.old->published.layers;
            root.live_bytes -= changed.old->published.live_bytes;
            root.dimensions -= 1;
        }
        std::uint64_t entry = 0;
        if (changed.region) {
            root.layers += changed.state.layers;
            root.live_bytes += changed.state.live_bytes;
            root.dimensions += 1;
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

// Everything that `publish` must not fail to do.
void Store::Commit::prepare_retiring() {
    const std::uint64_t epoch = store.epoch_.load(std::memory_order_relaxed);
    for (const Changed& changed : changes) {
        if (changed.old && changed.old != changed.region) {
            retired_files.push_back({.region = changed.old,
                                     .name = changed.old->file_name,
                                     .bytes = 0,
                                     .birth = changed.old->published.birth_epoch,
                                     .tag = epoch});
        }
        if (changed.region && changed.region != changed.old) {
            store.published_[changed.dimension];  // the place for it: erased again if all fails
        }
    }
    std::size_t waiting = trail.retired.size();
    std::size_t files = retired_files.size();
    for (const HistoryEntry& entry : store.history_) {
        waiting += entry.blocks.size();
        files += entry.files.size();
    }
    store.limbo_.reserve(waiting);
    store.retired_files_.reserve(store.retired_files_.size() + files);
    if (store.retain_ > 0) {
        store.history_.push_back({generation - 1, {}, {}});
        store.history_.back().blocks.reserve(trail.retired.size());
    }
}

void Store::Commit::publish() noexcept {
    published = true;
    ipc::ControlCells& cells = *store.control_.at<ipc::ControlCells>(ipc::cells_offset);
    auto* const history = store.control_.at<std::uint64_t>(ipc::history_offset);
    // Release; partner: the acquire load of `root` in Session::open_view. From here on everybody
    // sees the new generation whole.
    STRATA_CRASH_POINT("commit.before-root");
    ipc::store_release(cells.root, root_offset);
    STRATA_CRASH_POINT("commit.root-stored");
    if (store.retain_ > 0) {
        // After the root: nobody may ask for a generation by number before it is published.
        ipc::store_release(history[generation % ipc::history_slots], root_offset);
        STRATA_CRASH_POINT("commit.history-stored");
    }
    // Release; partner: the acquire loads of `generation` in Session::take and Session::wait. After
    // the root, so that who sees the number finds its root.
    ipc::store_release(cells.generation, generation);
    STRATA_CRASH_POINT("commit.generation-stored");
    ipc::os::futex_wake(ipc::futex_word(cells.generation));
    STRATA_CRASH_POINT("commit.woken");

    store.root_ = root;
    store.root_offset_ = root_offset;
    store.generation_.store(generation, std::memory_order_release);
    store.commits_.fetch_add(1, std::memory_order_relaxed);
    for (Changed& changed : changes) {
        if (changed.region) {
            changed.region->published = std::move(changed.state);
            changed.region->keep_file = true;
            changed.region->set_in_use(true);
            store.published_[changed.dimension] = changed.region;
        } else {
            store.published_.erase(changed.dimension);
        }
        if (changed.region != changed.old) {
            if (changed.old) {
                changed.old->set_in_use(false);
            }
            const std::lock_guard lock(store.regions_mutex_);
            store.current_regions_[changed.dimension] = changed.region;
            if (batch.relocates()) {  // after its successor can be found
                changed.old->set_moved();
            }
        }
    }
    const std::uint64_t epoch = store.epoch_.load(std::memory_order_relaxed);
    for (const CommitTrail::Block& block : trail.retired) {
        const Retired entry{.region = block.region,
                            .offset = block.offset,
                            .birth = block.birth,
                            .tag = epoch,
                            .bytes = block.bytes};
        if (store.retain_ > 0) {
            store.history_.back().blocks.push_back(entry);
        } else {
            store.limbo_.add(entry);
        }
    }
    if (store.retain_ > 0) {
        store.history_.back().files = std::move(retired_files);
        store.evict_history(generation - std::min<Generation>(store.retain_, generation - 1));
    } else {
        for (RetiredFile& file : retired_files) {
            store.retired_files_.push_back(std::move(file));
        }
    }
}

// Lets go of the generations before `oldest`. First the slot, then the blocks: see
// docs/reclamation.md.
void Store::evict_history(Generation oldest) noexcept {
    auto* const slots = control_.at<std::uint64_t>(ipc::history_offset);
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
    while (!history_.empty() && history_.front().generation < oldest) {
        HistoryEntry& entry = history_.front();
        ipc::store_release(slots[entry.generation % ipc::history_slots], 0);
        STRATA_CRASH_POINT("history.slot-cleared");
        for (Retired& block : entry.blocks) {
            block.tag = epoch;
            limbo_.add(block);
        }
        for (RetiredFile& file : entry.files) {
            file.tag = epoch;
            retired_files_.push_back(std::move(file));
        }
        history_.pop_front();
    }
}

}  // namespace strata::producer_impl
