// SPDX-License-Identifier: Apache-2.0
// Taking over a store: everything that the root reaches is live, everything else is treated as
// retired just now, for older snapshots may still read it. What an earlier producer did not publish
// leaves no other trace.
#include <algorithm>
#include <bit>

#include "ipc/atomic_word.hpp"
#include "ipc/checksum.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/layer_view.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/region_file.hpp"
#include "producer/batch_state.hpp"
#include "producer/store.hpp"
#include "strata/dimension_range.hpp"

namespace strata::producer_impl {

using ipc::EntryKind;

namespace {

/// What the leaves of an index are: layer blocks, or (in the directory) dimension records.
enum class Leaves : unsigned char { layers, records };

/// Walks an index and adopts all of its blocks. Nothing is trusted: a damaged index ends in an
/// error.
class Adopter {
public:
    Adopter(Region& region, const ipc::IndexView& index, Leaves leaves, std::string_view operation)
        : region_(region), index_(index), leaves_(leaves), operation_(operation) {}

    void walk() {
        if (index_.root != 0) {
            visit(index_.root, index_.levels * ipc::index_bits, 0);
        }
        if (layers_ != index_.layers) {
            fail("it holds " + std::to_string(layers_) + " entries, its record says " +
                 std::to_string(index_.layers));
        }
    }

private:
    [[noreturn]] void fail(const std::string& what) const {
        ipc::fail(Errc::corrupt, operation_, region_.path(), "the index is damaged: " + what,
                  "remove the store and publish it anew, or restore a backup");
    }

    void adopt(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment) {
        // Also what stops a walk in a cycle: no block is adopted twice.
        if (!region_.adopt(offset, bytes, alignment)) {
            fail("blocks overlap at offset " + std::to_string(offset));
        }
    }

    void visit(std::uint64_t entry, unsigned shift, std::uint64_t prefix) {
        if (ipc::entry_kind(entry) == EntryKind::layer) {
            leaf(entry, shift, prefix);
            return;
        }
        if (shift == 0) {
            fail("a node below the lowest level");
        }
        const std::uint64_t offset = ipc::entry_offset(entry);
        if (ipc::entry_kind(entry) == EntryKind::nothing ||
            entry != ipc::node_entry(ipc::entry_kind(entry), offset)) {
            fail("entry word " + std::to_string(entry) + " means nothing");
        }
        std::uint64_t bitmap = ~std::uint64_t{0};
        std::uint64_t bytes = ipc::array_node_bytes;
        if (ipc::entry_kind(entry) == EntryKind::bitmap_node) {
            check_range(offset, 8);
            bitmap = index_.word_at(offset);
            bytes = 8 + 8 * static_cast<std::uint64_t>(std::popcount(bitmap));
        }
        check_range(offset, bytes);
        adopt(offset, bytes, ipc::block_unit);
        std::uint64_t children[ipc::index_fanout] = {};
        for (std::uint64_t rest = bitmap; rest != 0; rest &= rest - 1) {
            const auto digit = static_cast<unsigned>(std::countr_zero(rest));
            ipc::load_child(index_, entry, digit, children[digit]);
            // Harmless if it points nowhere: a prefetch does not fault.
            __builtin_prefetch(index_.base + ipc::entry_offset(children[digit]));
        }
        for (unsigned digit = 0; digit < ipc::index_fanout; ++digit) {
            if (children[digit] != 0) {
                visit(children[digit], shift - ipc::index_bits,
                      (prefix << ipc::index_bits) | digit);
            }
        }
    }

    void leaf(std::uint64_t entry, unsigned shift, std::uint64_t prefix) {
        ++layers_;
        const std::uint64_t offset = ipc::entry_offset(entry);
        if (leaves_ == Leaves::records) {
            check_range(offset, sizeof(ipc::DimensionRecord));
            const std::uint64_t dimension = ipc::block_key(index_, entry);
            constexpr std::uint64_t size = sizeof(ipc::DimensionRecord) - sizeof(ipc::LayerHeader);
            if (entry != ipc::layer_entry(offset, size) ||
                (shift < 64 && (dimension >> shift) != prefix)) {
                fail("the record of dimension " + std::to_string(dimension) +
                     " contradicts its entry");
            }
            adopt(offset, sizeof(ipc::DimensionRecord), ipc::block_unit);
            return;
        }
        check_range(offset, sizeof(ipc::LayerHeader));
        const ipc::LayerHeader header = *region_.at<ipc::LayerHeader>(offset);
        // With shift == 64 or more nothing of the key is known yet.
        const bool right_place = shift >= 64 || (header.layer >> shift) == prefix;
        if (!right_place || header.dimension != region_.dimension ||
            !std::has_single_bit(header.alignment) || header.alignment < ipc::block_unit ||
            header.alignment > ipc::page_bytes || header.payload_bytes > region_.max_bytes() ||
            entry != ipc::layer_entry(offset, header.payload_bytes, header.alignment) ||
            offset < header.alignment - ipc::block_unit) {
            fail("the header of the layer at offset " + std::to_string(offset) +
                 " contradicts its entry");
        }
        const std::uint64_t pad = header.alignment - ipc::block_unit;
        const std::uint64_t bytes =
            layer_allocation_bytes(header.payload_bytes, header.metadata_bytes, header.alignment);
        check_range(offset - pad, bytes);
        adopt(offset - pad, bytes, header.alignment);
    }

    void check_range(std::uint64_t offset, std::uint64_t bytes) const {
        if (offset < ipc::header_bytes || offset > index_.limit || bytes > index_.limit - offset) {
            fail(std::to_string(bytes) + " bytes at offset " + std::to_string(offset) +
                 ", committed are " + std::to_string(index_.limit));
        }
    }

    Region& region_;
    const ipc::IndexView& index_;
    Leaves leaves_;
    std::string_view operation_;
    std::uint64_t layers_ = 0;
};

}  // namespace

void Store::recover() {
    const std::string op = operation("open");
    ipc::ControlCells& cells = *control_.at<ipc::ControlCells>(ipc::cells_offset);
    root_offset_ = ipc::load_acquire(cells.root);
    root_ = control_file_.root_at(root_offset_, op);
    const std::uint64_t epoch = ipc::load_acquire(cells.epoch);
    if (epoch >= ipc::epoch_end) {
        ipc::fail(Errc::corrupt, op, control_.path(),
                  "epoch " + std::to_string(epoch) + " is impossible",
                  "remove the store and publish it anew, or restore a backup");
    }
    epoch_.store(epoch, std::memory_order_relaxed);
    next_serial_.store(root_.next_serial, std::memory_order_relaxed);

    STRATA_CRASH_POINT("recover.begin");
    // History starts anew: the old slots must not name blocks that will be reused.
    auto* const history = control_.at<std::uint64_t>(ipc::history_offset);
    for (std::uint64_t slot = 0; slot < ipc::history_slots; ++slot) {
        ipc::store_release(history[slot], 0);
    }
    STRATA_CRASH_POINT("recover.history-cleared");
    first_retained_ = root_.generation;
    if (retain_ > 0) {
        ipc::store_release(history[root_.generation % ipc::history_slots], root_offset_);
    }

    STRATA_CRASH_POINT("recover.history-begun");
    if (!control_.adopt(root_offset_, sizeof(ipc::RootRecord), ipc::block_unit)) {
        ipc::fail(Errc::corrupt, op, control_.path(), "the root record lies out of place");
    }
    const ipc::IndexView directory = control_file_.directory_of(root_);
    Adopter(control_, directory, Leaves::records, op).walk();
    const DimensionRange records(&directory);
    for (auto it = records.begin(); it != records.end(); ++it) {
        const auto offset =
            static_cast<std::uint64_t>(it->data() - directory.base) - sizeof(ipc::LayerHeader);
        recover_dimension(control_file_.record_at(directory, ipc::layer_entry(offset, 0), op),
                          offset);
    }
    STRATA_CRASH_POINT("recover.adopted");
    retire_unreachable(control_);
    for (const auto& [dimension, region] : published_) {
        retire_unreachable(*region);
    }
    retire_leftover_files();
    STRATA_CRASH_POINT("recover.retired");
    // A producer that died between its last two stores left the number behind the root; one that
    // died just after them has not woken anybody.
    if (ipc::load_relaxed(cells.generation) != root_.generation) {
        ipc::store_release(cells.generation, root_.generation);
        STRATA_CRASH_POINT("recover.generation-repaired");
    }
    ipc::os::futex_wake(ipc::futex_word(cells.generation));
    generation_.store(root_.generation, std::memory_order_release);
    STRATA_CRASH_POINT("recover.woken");
    reclaim_locked();  // nobody else has this object yet
}

void Store::recover_dimension(const ipc::DimensionRecord& record, std::uint64_t record_offset) {
    const std::string op = operation("open");
    const auto dimension = static_cast<Dimension>(record.dimension);
    std::uint64_t file_bytes = 0;
    std::uint64_t max_bytes = 0;
    ipc::FileDescriptor file = ipc::open_region(
        directory_, identity(), dimension, record.serial, ipc::Access::read_write,
        {.any_owner = false, .owner = ipc::os::effective_user()}, op, file_bytes, max_bytes);
    const std::string name = ipc::region_file_name(dimension, record.serial);
    const std::string path = directory_.file(name);
    if (file_bytes < record.committed_bytes || file_bytes > max_bytes) {
        ipc::fail(Errc::truncated, op, path,
                  "has " + std::to_string(file_bytes) + " bytes, its record says " +
                      std::to_string(record.committed_bytes) + ", at most " +
                      std::to_string(max_bytes) + " are possible");
    }
    const std::uint64_t pages = ipc::round_up(file_bytes, ipc::page_bytes);
    if (pages != file_bytes) {
        if (const int error = ipc::os::commit_range(file.get(), 0, pages)) {
            ipc::fail_errno(error, op, path, "cannot complete its last page");
        }
    }
    budget_.take_existing(pages);
    auto region =
        std::make_shared<Region>(std::move(file), path, pages, max_bytes, budget_, true, op);
    region->dimension = dimension;
    region->serial = region->lineage = record.serial;
    region->directory = directory_.directory.get();
    region->file_name = name;
    region->keep_file = true;
    region->set_in_use(true);
    region->published = {.index = record.index,
                         .levels = record.index_levels,
                         .layers = record.layers,
                         .live_bytes = record.live_bytes,
                         .record_offset = record_offset,
                         .birth_epoch = 0,
                         .generation = record.generation,
                         .name = std::string(record.name, record.name_bytes)};
    const ipc::IndexView index{.base = region->at(0),
                               .limit = record.committed_bytes,
                               .root = record.index,
                               .levels = record.index_levels,
                               .slot = 0,
                               .layers = record.layers};
    Adopter(*region, index, Leaves::layers, op).walk();
    current_regions_[dimension] = region;
    published_[dimension] = std::move(region);
}

void Store::retire_unreachable(Region& region) {
    const std::vector<std::uint64_t> leftovers = region.finish_rebuild();
    limbo_.reserve(leftovers.size());
    const std::uint64_t epoch = epoch_.load(std::memory_order_relaxed);
    for (const std::uint64_t offset : leftovers) {
        limbo_.add({.region = &region,
                    .offset = offset,
                    .birth = 0,  // unknown
                    .tag = epoch,
                    .bytes = region.block_bytes(offset)});
    }
}

// Region files that no dimension names: not published by the last producer, or removed while old
// snapshots still read them.
void Store::retire_leftover_files() {
    const auto names = ipc::os::list_directory(directory_.directory.get());
    if (!names) {
        ipc::fail_errno(names.error, operation("open"), directory_.path, "cannot list its files");
    }
    for (const std::string& name : names.value) {
        std::uint64_t serial = 0;
        if (!ipc::parse_region_file_name(name, serial)) {
            continue;
        }
        next_serial_.store(std::max(next_serial_.load(std::memory_order_relaxed), serial + 1),
                           std::memory_order_relaxed);
        const bool reached =
            std::any_of(published_.begin(), published_.end(),
                        [&](const auto& entry) { return entry.second->serial == serial; });
        if (!reached) {
            const auto status = ipc::os::status_at(directory_.directory.get(), name);
            const std::uint64_t bytes = status ? status.value.allocated_bytes : 0;
            budget_.take_existing(bytes);
            retired_files_.push_back({.region = nullptr,
                                      .name = name,
                                      .bytes = bytes,
                                      .birth = 0,
                                      .tag = epoch_.load(std::memory_order_relaxed)});
        }
    }
}

}  // namespace strata::producer_impl
