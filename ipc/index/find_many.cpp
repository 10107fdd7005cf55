// SPDX-License-Identifier: Apache-2.0
#include "ipc/index/find_many.hpp"

#include <algorithm>

namespace strata::ipc {

IndexDescent::IndexDescent(const IndexView& index, std::uint64_t key) noexcept
    : index_(&index), key_(key), shift_(index.levels * index_bits) {
    if (shift_ >= 64 || (key >> shift_) == 0) {
        word_ = index.root;
    }
}

void IndexDescent::step() noexcept {
    const auto kind = entry_kind(word_);
    if (damaged_ || (kind != EntryKind::array_node && kind != EntryKind::bitmap_node)) {
        return;
    }
    if (shift_ == 0) {
        damaged_ = true;  // a node below the lowest level
        return;
    }
    shift_ -= index_bits;
    const auto digit = static_cast<unsigned>(key_ >> shift_) & (index_fanout - 1);
    if (!load_child(*index_, word_, digit, word_)) {
        damaged_ = true;
        return;
    }
    // Where the next step will look. Never faults, whatever the offset.
    const unsigned next =
        shift_ >= index_bits
            ? static_cast<unsigned>(key_ >> (shift_ - index_bits)) & (index_fanout - 1)
            : 0;
    const std::byte* const block = index_->base + entry_offset(word_);
    const auto child = entry_kind(word_);
    __builtin_prefetch(child == EntryKind::array_node ? block + next * 8
                       : child == EntryKind::layer    ? LayerBlock(block).payload()
                                                      : block);
}

FoundLayer IndexDescent::result() const noexcept {
    if (damaged_) {
        return {{}, WalkEnd::corrupt};
    }
    if (entry_kind(word_) != EntryKind::layer) {
        return {};
    }
    const Layer layer = layer_at(*index_, word_);
    if (!layer) {
        return {{}, WalkEnd::corrupt};
    }
    const bool same = shift_ == 0 || block_key(*index_, word_) == key_;
    return same ? FoundLayer{layer, WalkEnd::found} : FoundLayer{};
}

void finish_together(std::span<IndexDescent> descents) noexcept {
    unsigned levels = 0;
    for (const IndexDescent& descent : descents) {
        levels = std::max(levels, descent.levels());
    }
    for (unsigned level = 0; level <= levels; ++level) {  // the last one finds what is too deep
        for (IndexDescent& descent : descents) {
            descent.step();
        }
    }
}

}  // namespace strata::ipc
