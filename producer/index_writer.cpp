// SPDX-License-Identifier: Apache-2.0
#include "producer/index_writer.hpp"

#include <algorithm>
#include <bit>

#include "ipc/format/layer_block.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/index/view.hpp"

namespace strata::producer_impl {

using ipc::entry_kind;
using ipc::entry_offset;
using ipc::EntryKind;
using ipc::index_bits;

namespace {

std::uint32_t levels_for(std::uint64_t key) noexcept {
    return (static_cast<std::uint32_t>(std::bit_width(key)) + index_bits - 1) / index_bits;
}

}  // namespace

IndexRoot IndexWriter::apply(IndexRoot root, std::span<const IndexChange> changes) {
    if (changes.size() == 1) {
        if (const std::uint64_t entry = change_in_place(root, changes.front())) {
            return {entry, root.levels};
        }
    }
    std::uint32_t levels = root.levels;
    for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
        if (change->entry != 0) {  // the largest key that comes in decides the height
            levels = std::max(levels, levels_for(change->key));
            break;
        }
    }
    // Erasing keys that the tree is too low for changes nothing.
    while (!changes.empty() && levels_for(changes.back().key) > levels) {
        changes = changes.first(changes.size() - 1);
    }
    // A lone layer needs no levels below it, wherever it hangs.
    const unsigned root_shift =
        is_index_node(root.entry) ? root.levels * index_bits : levels * index_bits;
    root_shift_ = levels * index_bits;
    const std::uint64_t entry = apply(root.entry, root_shift, root_shift_, changes);
    return {entry, entry == 0 ? 0 : levels};
}

// The subtree `entry`, whose keys have `entry_shift` undecided bits, seen from `shift` >=
// entry_shift: where they differ, all its keys continue with zero digits. Returns its successor.
std::uint64_t IndexWriter::apply(std::uint64_t entry, unsigned entry_shift, unsigned shift,
                                 std::span<const IndexChange> changes) {
    if (changes.empty() && entry_shift == shift) {
        return entry;
    }
    const bool single = changes.size() == 1;
    switch (entry_kind(entry)) {
        case EntryKind::nothing:
            if (single) {
                return apply_leaf(0, changes[0]);
            }
            break;
        case EntryKind::layer:
            if (single && (shift == 0 || nodes_.key_of(entry) == changes[0].key)) {
                return replace_layer(entry, changes[0]);
            }
            break;
        default:
            if (single && entry_shift == shift) {
                return change_one(entry, shift, changes[0]);
            }
    }
    const unsigned below = shift - index_bits;
    const bool lifted = is_index_node(entry) && entry_shift < shift;
    IndexNodes::Children children;
    nodes_.expand(lifted ? 0 : entry, below, children);
    if (lifted) {
        children[0] = entry;
    }
    bool changed = lifted;
    if (lifted && entry_shift < below &&
        (changes.empty() || index_digit(changes.front().key, below) != 0)) {
        children[0] = apply(entry, entry_shift, below, {});
    }
    while (!changes.empty()) {
        const unsigned digit = index_digit(changes.front().key, below);
        std::size_t count = 1;
        while (count < changes.size() && index_digit(changes[count].key, below) == digit) {
            ++count;
        }
        const unsigned child_shift = lifted && digit == 0 ? entry_shift : below;
        const std::uint64_t child = children[digit];
        if (count < changes.size()) {
            const std::uint64_t next = children[index_digit(changes[count].key, below)];
            if (is_index_node(next)) {
                nodes_.prefetch_node(next);
            }
        }
        const std::uint64_t successor =
            below == 0 ? apply_leaf(child, changes.front())
                       : apply(child, is_index_node(child) ? child_shift : below, below,
                               changes.first(count));
        changed = changed || successor != child;
        children[digit] = successor;
        changes = changes.subspan(count);
    }
    if (!changed) {
        return entry;
    }
    if (is_index_node(entry) && !lifted) {
        nodes_.retire_node(entry);
    }
    return nodes_.build(children, shift == root_shift_);
}

// The common commit: down to the layer, then up again with copies of the nodes.
std::uint64_t IndexWriter::change_in_place(IndexRoot root, const IndexChange& change) {
    struct Step {
        std::uint64_t node;
        IndexNodes::Slot slot;
    };
    Step path[ipc::max_index_levels];
    unsigned depth = 0;
    unsigned shift = root.levels * index_bits;
    std::uint64_t entry = root.entry;
    if (change.entry == 0 || levels_for(change.key) > root.levels) {
        return 0;
    }
    while (is_index_node(entry)) {
        shift -= index_bits;
        if (shift == 0) {  // the levels above are few nodes, and seldom out of the cache
            nodes_.prefetch_node(entry);
        }
        const IndexNodes::Slot slot = nodes_.slot_of(entry, index_digit(change.key, shift));
        if (!slot.present) {
            return 0;
        }
        path[depth++] = {entry, slot};
        entry = nodes_.child(entry, slot);
    }
    if (depth == 0 || (entry != 0 && shift != 0 && nodes_.key_of(entry) != change.key)) {
        return 0;
    }
    std::uint64_t successor = apply_leaf(entry, change);
    while (depth-- > 0) {
        successor = nodes_.replace_child(path[depth].node, path[depth].slot, successor);
    }
    return successor;
}

// One change below a node that stays as it is otherwise, without unpacking the node.
std::uint64_t IndexWriter::change_one(std::uint64_t node, unsigned shift,
                                      const IndexChange& change) {
    const unsigned below = shift - index_bits;
    const unsigned digit = index_digit(change.key, below);
    if (below == 0) {  // the levels above are few nodes, and seldom out of the cache
        nodes_.prefetch_node(node);
    }
    const IndexNodes::Slot slot = nodes_.slot_of(node, digit);
    const std::uint64_t child = nodes_.child(node, slot);
    const std::uint64_t successor = apply(child, below, below, std::span(&change, 1));
    if (successor == child) {
        return node;
    }
    // An array node that gains a child, or any node that keeps its number of children; but not one
    // whose only child became a layer.
    const bool same_shape = successor != 0 && slot.present &&
                            (entry_kind(node) == EntryKind::array_node || slot.bytes > 16);
    if (same_shape) {
        return nodes_.replace_child(node, slot, successor);
    }
    IndexNodes::Children children;
    nodes_.expand(node, below, children);
    children[digit] = successor;
    nodes_.retire_node(node);
    return nodes_.build(children, shift == root_shift_);
}

// Below the lowest level: there is the layer of that key, or nothing.
std::uint64_t IndexWriter::apply_leaf(std::uint64_t old, const IndexChange& change) {
    if (old != 0) {
        return replace_layer(old, change);
    }
    layers_delta_ += change.entry != 0 ? 1 : 0;
    return change.entry;
}

std::uint64_t IndexWriter::replace_layer(std::uint64_t old, const IndexChange& change) {
    nodes_.retire_layer(old);
    layers_delta_ -= change.entry == 0 ? 1 : 0;
    return change.entry;
}

std::uint64_t find_entry(const Region& region, IndexRoot root, std::uint64_t key) noexcept {
    const ipc::IndexView index{.base = region.at(0),
                               .limit = region.max_bytes(),
                               .root = root.entry,
                               .levels = root.levels};
    unsigned shift = 0;
    const ipc::FoundEntry found = ipc::walk(index, key, shift);
    return found.end == ipc::WalkEnd::found &&
                   ipc::LayerBlock(region.at(entry_offset(found.word))).key() == key
               ? found.word
               : 0;
}

}  // namespace strata::producer_impl
