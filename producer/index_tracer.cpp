// SPDX-License-Identifier: Apache-2.0
#include "producer/index_tracer.hpp"

#include <bit>

#include "ipc/failure.hpp"
#include "ipc/format/layer_block.hpp"
#include "ipc/index/find.hpp"

namespace strata::producer_impl {

using ipc::EntryKind;

std::uint64_t IndexTracer::walk() {
    if (index_.root != 0) {
        visit(index_.root, index_.levels * ipc::index_bits, 0);
        while (met_done_ < met_count_) {
            look_at_next();
        }
    }
    return reached_;
}

void IndexTracer::fail(const std::string& what) const {
    ipc::fail(Errc::corrupt, operation_, region_.path(), "the index is damaged: " + what,
              "remove the store and publish it anew, or restore a backup");
}

void IndexTracer::check_range(std::uint64_t offset, std::uint64_t bytes) const {
    if (offset < ipc::header_bytes || offset > index_.limit || bytes > index_.limit - offset) {
        fail(std::to_string(bytes) + " bytes at offset " + std::to_string(offset) +
             ", committed are " + std::to_string(index_.limit));
    }
}

void IndexTracer::visit(std::uint64_t entry, unsigned shift, std::uint64_t prefix) {
    if (ipc::entry_kind(entry) == EntryKind::layer) {
        ++reached_;
        if (!dimension_) {
            visit_record(entry, shift, prefix);
            return;
        }
        if (met_count_ - met_done_ == met_.size()) {
            look_at_next();
        }
        met_[met_count_++ % met_.size()] = {entry, prefix, shift};
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
    if (!claim(offset, bytes, ipc::block_unit, 0)) {
        return;
    }
    std::uint64_t children[ipc::index_fanout] = {};
    for (std::uint64_t rest = bitmap; rest != 0; rest &= rest - 1) {
        const auto digit = static_cast<unsigned>(std::countr_zero(rest));
        ipc::load_child(index_, entry, digit, children[digit]);
        prefetch(children[digit]);
    }
    for (unsigned digit = 0; digit < ipc::index_fanout; ++digit) {
        if (children[digit] != 0) {
            visit(children[digit], shift - ipc::index_bits, (prefix << ipc::index_bits) | digit);
        }
    }
}

// Harmless if it points nowhere: a prefetch does not fault.
void IndexTracer::prefetch(std::uint64_t entry) const noexcept {
    const std::uint64_t offset = ipc::entry_offset(entry);
    __builtin_prefetch(index_.base + offset);
    expect(offset);
}

void IndexTracer::look_at_next() {
    const Met layer = met_[met_done_++ % met_.size()];
    visit_layer(layer.entry, layer.shift, layer.prefix);
}

void IndexTracer::visit_record(std::uint64_t entry, unsigned shift, std::uint64_t prefix) {
    const std::uint64_t offset = ipc::entry_offset(entry);
    check_range(offset, sizeof(ipc::DimensionRecord));
    const std::uint64_t dimension = ipc::block_key(index_, entry);
    if (entry != ipc::record_entry(offset) || (shift < 64 && (dimension >> shift) != prefix)) {
        fail("the record of dimension " + std::to_string(dimension) + " contradicts its entry");
    }
    if (claim(offset, sizeof(ipc::DimensionRecord), ipc::block_unit, 0)) {
        reached_record(offset);
    }
}

void IndexTracer::visit_layer(std::uint64_t entry, unsigned shift, std::uint64_t prefix) {
    const std::uint64_t offset = ipc::entry_offset(entry);
    check_range(offset, sizeof(ipc::LayerHeader));
    const ipc::LayerBlock block(region_.at(offset));
    const ipc::LayerHeader header = block.header();
    const auto shape = block.shape_within(index_.limit - offset);
    // With shift == 64 or more nothing of the key is known yet.
    const bool right_place = shift >= 64 || (header.layer >> shift) == prefix;
    if (!right_place || header.dimension != *dimension_ || !shape || offset < shape->pad_bytes() ||
        entry != ipc::layer_entry(offset, header.shape & ~ipc::LayerShape::tail_bits)) {
        fail("the header of the layer at offset " + std::to_string(offset) +
             " contradicts its entry");
    }
    const std::uint64_t start = offset - shape->pad_bytes();
    check_range(start, shape->allocation_bytes());
    reached_layer(block);
    claim(start, shape->allocation_bytes(), shape->alignment, header.generation());
}

}  // namespace strata::producer_impl
