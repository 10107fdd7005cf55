// SPDX-License-Identifier: Apache-2.0
#include "strata/dimension_range.hpp"

#include <bit>

#include "ipc/failure.hpp"
#include "ipc/index_view.hpp"
#include "ipc/layer_view.hpp"

namespace strata {

namespace {

[[noreturn]] void fail_damaged() {
    ipc::fail(Errc::corrupt, "scan dimension", "", "its index is damaged",
              "run a verification of the store and publish the dimension anew");
}

}  // namespace

std::uint64_t DimensionRange::size() const noexcept {
    return index_ != nullptr ? index_->layers : 0;
}

DimensionRange::Iterator::Iterator(const ipc::IndexView& index)
    : index_(&index),
      // Every node has at least one layer below it, and a layer at most `levels` nodes above it.
      nodes_left_(index.layers * index.levels),
      layers_left_(index.layers),
      // Blocks that overlap could make a reader of all layers read the file many times over.
      bytes_left_(index.limit) {
    switch (ipc::entry_kind(index.root)) {
        case ipc::EntryKind::nothing: break;
        case ipc::EntryKind::layer: descend(index.root); break;
        default:
            if (index.levels == 0) {
                fail_damaged();
            }
            descend(index.root);
            advance();
    }
}

// Opens a node as the next level, or makes a layer the current one.
void DimensionRange::Iterator::descend(std::uint64_t entry) {
    if (ipc::entry_kind(entry) == ipc::EntryKind::layer) {
        layer_ = ipc::layer_at(*index_, entry);
        if (!layer_ || layers_left_-- == 0 || layer_.size() > bytes_left_) {
            layer_ = {};
            depth_ = 0;
            fail_damaged();
        }
        bytes_left_ -= layer_.size();
        // Below the lowest level the digits are the whole key; above, the block knows it.
        number_ = depth_ == index_->levels && depth_ > 0 ? prefix_ : ipc::block_key(*index_, entry);
        return;
    }
    if (depth_ >= index_->levels || depth_ >= max_levels || nodes_left_-- == 0) {
        depth_ = 0;
        fail_damaged();
    }
    Level& level = levels_[depth_++];
    level.node = entry;
    if (ipc::entry_kind(entry) == ipc::EntryKind::array_node) {
        level.remaining = ~std::uint64_t{0};
    } else {
        const std::uint64_t offset = ipc::entry_offset(entry);
        if (offset > index_->limit - 8) {
            depth_ = 0;
            fail_damaged();
        }
        level.remaining = index_->word_at(offset);
    }
}

void DimensionRange::Iterator::advance() {
    layer_ = {};
    while (depth_ > 0) {
        Level& level = levels_[depth_ - 1];
        if (level.remaining == 0) {
            --depth_;
            prefix_ >>= ipc::index_bits;
            continue;
        }
        const auto digit = static_cast<unsigned>(std::countr_zero(level.remaining));
        level.remaining &= level.remaining - 1;
        std::uint64_t child = 0;
        if (!ipc::load_child(*index_, level.node, digit, child)) {
            depth_ = 0;
            fail_damaged();
        }
        if (ipc::entry_kind(child) == ipc::EntryKind::nothing) {
            continue;  // an empty place of an array node
        }
        const std::uint64_t parent_prefix = prefix_;
        prefix_ = (prefix_ << ipc::index_bits) | digit;
        descend(child);
        if (layer_) {
            prefix_ = parent_prefix;
            return;
        }
    }
}

}  // namespace strata
