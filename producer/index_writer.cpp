// SPDX-License-Identifier: Apache-2.0
#include "producer/index_writer.hpp"

#include <algorithm>
#include <bit>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "ipc/layout.hpp"
#include "producer/prefetch.hpp"

namespace strata::producer_impl {

using ipc::entry_kind;
using ipc::entry_offset;
using ipc::EntryKind;
using ipc::index_bits;

namespace {

// Children from which a node is an array: faster to walk, and at most 32 bytes a child. The root is
// on every walk and there is only one.
constexpr unsigned array_from = 16;
constexpr unsigned array_root_from = 4;

constexpr unsigned digit_of(std::uint64_t key, unsigned shift) noexcept {
    return static_cast<unsigned>(key >> shift) & (ipc::index_fanout - 1);
}

bool is_node(std::uint64_t entry) noexcept {
    return entry_kind(entry) == EntryKind::array_node ||
           entry_kind(entry) == EntryKind::bitmap_node;
}

std::uint32_t levels_for(std::uint64_t key) noexcept {
    return (static_cast<std::uint32_t>(std::bit_width(key)) + index_bits - 1) / index_bits;
}

}  // namespace

std::uint64_t IndexWriter::key_of(std::uint64_t entry) const noexcept {
    return *region_.at<std::uint64_t>(entry_offset(entry));
}

IndexRoot IndexWriter::apply(IndexRoot root, std::span<const IndexChange> changes) {
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
        is_node(root.entry) ? root.levels * index_bits : levels * index_bits;
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
            if (single && (shift == 0 || key_of(entry) == changes[0].key)) {
                return replace_layer(entry, changes[0]);
            }
            break;
        default:
            if (single && entry_shift == shift) {
                return change_one(entry, shift, changes[0]);
            }
    }
    const unsigned below = shift - index_bits;
    const bool lifted = is_node(entry) && entry_shift < shift;
    Children children;
    expand(lifted ? 0 : entry, below, children);
    if (lifted) {
        children[0] = entry;
    }
    bool changed = lifted;
    if (lifted && entry_shift < below &&
        (changes.empty() || digit_of(changes.front().key, below) != 0)) {
        children[0] = apply(entry, entry_shift, below, {});
    }
    while (!changes.empty()) {
        const unsigned digit = digit_of(changes.front().key, below);
        std::size_t count = 1;
        while (count < changes.size() && digit_of(changes[count].key, below) == digit) {
            ++count;
        }
        const unsigned child_shift = lifted && digit == 0 ? entry_shift : below;
        const std::uint64_t child = children[digit];
        if (count < changes.size()) {
            const std::uint64_t next = children[digit_of(changes[count].key, below)];
            if (is_node(next)) {
                prefetch_node(next);
            }
        }
        const std::uint64_t successor =
            below == 0
                ? apply_leaf(child, changes.front())
                : apply(child, is_node(child) ? child_shift : below, below, changes.first(count));
        changed = changed || successor != child;
        children[digit] = successor;
        changes = changes.subspan(count);
    }
    if (!changed) {
        return entry;
    }
    if (is_node(entry) && !lifted) {
        retire_node(entry);
    }
    unsigned count = 0;
    std::uint64_t last = 0;
    for (const std::uint64_t child : children) {
        if (child != 0) {
            ++count;
            last = child;
        }
    }
    if (count == 0 || (count == 1 && entry_kind(last) == EntryKind::layer)) {
        return last;  // a lone layer hangs as high as it can
    }
    return build(children, count, shift == root_shift_);
}

// All of it at once, where one miss after the other would be waited for.
void IndexWriter::prefetch_node(std::uint64_t entry) const noexcept {
    prefetch<Use::read>(region_.at(entry_offset(entry)),
                        entry_kind(entry) == EntryKind::array_node ? ipc::array_node_bytes : 1);
}

// The common case, without unpacking the node: one change below a node that stays as it is
// otherwise.
std::uint64_t IndexWriter::change_one(std::uint64_t node, unsigned shift,
                                      const IndexChange& change) {
    const unsigned below = shift - index_bits;
    const unsigned digit = digit_of(change.key, below);
    const std::uint64_t offset = entry_offset(node);
    const auto* const words = region_.at<std::uint64_t>(offset);
    if (below == 0) {  // the levels above are few nodes, and seldom out of the cache
        prefetch_node(node);
    }
    std::uint64_t place = digit;
    std::uint64_t bytes = ipc::array_node_bytes;
    if (entry_kind(node) == EntryKind::bitmap_node) {
        const std::uint64_t bitmap = words[0];
        const std::uint64_t bit = std::uint64_t{1} << digit;
        place = 1 + static_cast<unsigned>(std::popcount(bitmap & (bit - 1)));
        bytes = 8 + 8 * static_cast<std::uint64_t>(std::popcount(bitmap));
        if ((bitmap & bit) == 0) {
            place = 0;
        }
    }
    const bool present = entry_kind(node) == EntryKind::array_node ? words[place] != 0 : place != 0;
    const std::uint64_t child = present ? words[place] : 0;
    const std::uint64_t successor = apply(child, below, below, std::span(&change, 1));
    if (successor == child) {
        return node;
    }
    // An array node that gains a child, or any node that keeps its number of children; but not one
    // whose only child became a layer.
    const bool same_shape = successor != 0 &&
                            (present || entry_kind(node) == EntryKind::array_node) &&
                            (entry_kind(node) == EntryKind::array_node || bytes > 16);
    if (same_shape) {
        const std::uint64_t copy = new_node(bytes);
        auto* const target = region_.at<std::uint64_t>(copy);
        std::copy_n(words, bytes / 8, target);
        STRATA_CRASH_POINT("index.node-written");
        target[place] = successor;
        retire_node(node);
        return ipc::node_entry(entry_kind(node), copy);
    }
    Children children;
    expand(node, below, children);
    children[digit] = successor;
    retire_node(node);
    unsigned count = 0;
    std::uint64_t last = 0;
    for (const std::uint64_t c : children) {
        if (c != 0) {
            ++count;
            last = c;
        }
    }
    if (count == 0 || (count == 1 && entry_kind(last) == EntryKind::layer)) {
        return last;
    }
    return build(children, count, shift == root_shift_);
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
    retire_layer(old);
    layers_delta_ -= change.entry == 0 ? 1 : 0;
    return change.entry;
}

// The 64 children that `entry` has, or would have as a node; `below` is their shift.
void IndexWriter::expand(std::uint64_t entry, unsigned below, Children& children) const noexcept {
    const auto* const words = region_.at<std::uint64_t>(entry_offset(entry));
    if (entry_kind(entry) == EntryKind::array_node) {
        std::copy_n(words, ipc::index_fanout, children);
        return;
    }
    std::fill_n(children, ipc::index_fanout, 0);
    if (entry_kind(entry) == EntryKind::layer) {
        children[digit_of(key_of(entry), below)] = entry;
    } else if (entry_kind(entry) == EntryKind::bitmap_node) {
        std::size_t next = 1;
        for (std::uint64_t bitmap = words[0]; bitmap != 0; bitmap &= bitmap - 1) {
            children[std::countr_zero(bitmap)] = words[next++];
        }
    }
}

std::uint64_t IndexWriter::build(const Children& children, unsigned count, bool root) {
    if (count >= (root ? array_root_from : array_from)) {
        const std::uint64_t offset = new_node(ipc::array_node_bytes);
        std::copy_n(children, ipc::index_fanout, region_.at<std::uint64_t>(offset));
        STRATA_CRASH_POINT("index.array-written");
        return ipc::node_entry(EntryKind::array_node, offset);
    }
    const std::uint64_t offset = new_node(8 + 8 * std::uint64_t{count});
    auto* const words = region_.at<std::uint64_t>(offset);
    std::uint64_t bitmap = 0;
    std::size_t next = 1;
    for (unsigned digit = 0; digit < ipc::index_fanout; ++digit) {
        if (children[digit] != 0) {
            bitmap |= std::uint64_t{1} << digit;
            words[next++] = children[digit];
        }
    }
    words[0] = bitmap;
    return ipc::node_entry(EntryKind::bitmap_node, offset);
}

std::uint64_t IndexWriter::new_node(std::uint64_t bytes) {
    trail_.allocated.push_back({&region_, 0, bytes, 0});  // first: nothing is lost if it throws
    try {
        trail_.allocated.back().offset = allocate_(region_, bytes);
    } catch (...) {
        trail_.allocated.pop_back();
        throw;
    }
    return trail_.allocated.back().offset;
}

void IndexWriter::retire_node(std::uint64_t entry) { retire(entry_offset(entry)); }

void IndexWriter::retire_layer(std::uint64_t entry) {
    // The entry tells where the allocation starts: the old block itself stays untouched in memory.
    retire(allocation_of_layer(entry));
}

void IndexWriter::retire(std::uint64_t offset) {
    region_.prefetch_facts_held(offset);  // for fill_facts_held, when all is applied
    trail_.retired.push_back({&region_, offset, 0, 0});
}

std::uint64_t IndexWriter::find(IndexRoot root, std::uint64_t key) const noexcept {
    unsigned shift = root.levels * index_bits;
    if (shift < 64 && (key >> shift) != 0) {
        return 0;
    }
    std::uint64_t entry = root.entry;
    while (is_node(entry)) {
        shift -= index_bits;
        const unsigned digit = digit_of(key, shift);
        const auto* const words = region_.at<std::uint64_t>(entry_offset(entry));
        if (entry_kind(entry) == EntryKind::array_node) {
            entry = words[digit];
        } else {
            const std::uint64_t bit = std::uint64_t{1} << digit;
            entry = (words[0] & bit) == 0
                        ? 0
                        : words[1 + static_cast<unsigned>(std::popcount(words[0] & (bit - 1)))];
        }
    }
    return entry != 0 && key_of(entry) == key ? entry : 0;
}

}  // namespace strata::producer_impl
