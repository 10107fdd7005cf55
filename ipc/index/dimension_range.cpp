// SPDX-License-Identifier: Apache-2.0
#include "strata/dimension_range.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

#include "ipc/failure.hpp"
#include "ipc/index/find.hpp"
#include "ipc/index/view.hpp"
#include "ipc/os/fault.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace {

// The hardware recognises a stream by its second line, and not before it has missed both.
inline void fetch(const Layer& layer) noexcept {
    constexpr std::size_t line = 64;
    __builtin_prefetch(layer.data());
    if (layer.size() > line) {
        __builtin_prefetch(layer.data() + line);
    }
}

[[noreturn]] void fail_damaged(const ipc::IndexView& index) {
    ipc::fail(Errc::corrupt, "scan dimension", ipc::mapped_path(index.base), "its index is damaged",
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
    levels_[0] = {reinterpret_cast<const std::byte*>(&index.root), 1};
    read_ahead(0);
    at_ = 2 * ahead;
    stop_ = at_;
    read_on();
}

// From one half to the other, or into the damage.
void DimensionRange::Iterator::read_on() {
    if (at_ != damaged_) {
        const std::uint32_t other = at_ == ahead ? 0 : ahead;
        at_ = ahead - other;
        read_ahead(other);
        stop_ = at_ + ahead;
        if (damaged_ - at_ < ahead) {
            stop_ = damaged_;
        }
    }
    if (at_ == damaged_) {
        fail_damaged(*index_);
    }
}

// Makes a node the one that is walked next. False if there can be no such node, or it lies outside
// of the readable bytes.
bool DimensionRange::Iterator::open(const ipc::IndexView& index, std::uint64_t entry,
                                    std::uint64_t prefix) noexcept {
    if (depth_ >= index.levels || depth_ >= max_levels || nodes_left_-- == 0) {
        return false;
    }
    if (levels_[depth_].remaining != 0) {
        // Where the walk will be next on this level. Never faults, whatever the offset.
        std::uint64_t next = 0;
        std::memcpy(&next, levels_[depth_].next, sizeof(next));
        __builtin_prefetch(index.base + ipc::entry_offset(next));
    }
    const std::uint64_t offset = ipc::entry_offset(entry);
    prefix_ = prefix;
    Level& level = levels_[++depth_];
    if (ipc::entry_kind(entry) == ipc::EntryKind::array_node) {
        level = {index.base + offset, ~std::uint64_t{0}};
        return offset <= index.limit - ipc::array_node_bytes;
    }
    if (offset > index.limit - 8) {
        return false;
    }
    const std::uint64_t bitmap = index.word_at(offset);
    level = {index.base + offset + 8, bitmap};
    // Safe: offset + 8 <= limit.
    return static_cast<std::uint64_t>(std::popcount(bitmap)) * 8 <= index.limit - offset - 8;
}

// Fills the half that begins at `slot` with the layers that follow.
void DimensionRange::Iterator::read_ahead(std::uint32_t slot) {
    const ipc::IndexView index = *index_;
    const std::uint32_t end = slot + ahead;
    keyed_ &= ~(((std::uint32_t{1} << ahead) - 1) << slot);
    bool sound = true;
    while (slot != end && sound) {
        if (levels_[depth_].remaining != 0) {
            sound = depth_ == index.levels && depth_ != 0 ? read_leaves<true>(index, slot, end)
                                                          : read_leaves<false>(index, slot, end);
        } else if (depth_ != 0) {
            --depth_;
            prefix_ >>= ipc::index_bits;
        } else {
            break;
        }
    }
    if (slot == end) {
        return;
    }
    if (!sound) {
        damaged_ = slot;
    }
    depth_ = 0;
    levels_[0] = {};
    std::fill(layers_.begin() + slot, layers_.begin() + end, Layer());
}

// Layer after layer of the node that is walked, to its end or that of the half; or down into a
// child that is a node. False: it is damaged. `lowest`: there are no nodes below.
template <bool lowest>
bool DimensionRange::Iterator::read_leaves(const ipc::IndexView& index, std::uint32_t& slot,
                                           std::uint32_t end) {
    Level level = levels_[depth_];
    const std::uint64_t upper_digits = prefix_ << ipc::index_bits;
    std::uint64_t layers_left = layers_left_;
    std::uint64_t bytes_left = bytes_left_;
    std::uint64_t child = 0;
    std::uint32_t at = slot;
    bool sound = true;
    while (level.remaining != 0 && at != end) {
        const auto digit = static_cast<unsigned>(std::countr_zero(level.remaining));
        level.remaining &= level.remaining - 1;
        std::memcpy(&child, level.next, sizeof(child));  // safe: `open` saw that all are readable
        level.next += sizeof(child);
        const ipc::EntryKind kind = ipc::entry_kind(child);
        if (kind == ipc::EntryKind::layer) [[likely]] {
            const Layer layer = ipc::layer_at(index, child);
            sound = layer && layers_left != 0 && layer.size() <= bytes_left;
            if (!sound) [[unlikely]] {
                break;
            }
            --layers_left;
            bytes_left -= layer.size();
            layers_[at] = layer;
            // Below the lowest level the digits are the whole key; above, the block knows it.
            if constexpr (lowest) {
                numbers_[at] = upper_digits | digit;
            } else {
                keyed_ |= std::uint32_t{1} << at;
                __builtin_prefetch(layer.data() - sizeof(ipc::LayerHeader));
            }
            fetch(layer);
            ++at;
        } else if (kind != ipc::EntryKind::nothing) {  // else an empty place of an array node
            levels_[depth_] = level;
            sound = !lowest && open(index, child, upper_digits | digit);
            break;
        }
        child = 0;
    }
    layers_left_ = layers_left;
    bytes_left_ = bytes_left;
    slot = at;
    if (child == 0) {
        levels_[depth_] = level;
    }
    return sound;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
