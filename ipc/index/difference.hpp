// SPDX-License-Identifier: Apache-2.0
// What differs between two indexes: a walk down both at once that passes by what they share.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "ipc/index/find.hpp"
#include "ipc/index/view.hpp"

namespace strata::ipc {

/// Reports the leaves that differ, in key order: report(key, entry word before, entry word after),
/// 0 for none. Costs as many nodes as differ, not as many as there are.
template <class Report>
class IndexComparison {
public:
    /// `shared`: both lie in one file, so equal words are one block. At most `most_nodes` are
    /// looked at.
    IndexComparison(const IndexView& before, const IndexView& after, bool shared,
                    std::uint64_t most_nodes, Report report)
        : before_(before),
          after_(after),
          shared_(shared),
          report_(report),
          nodes_left_(std::min(most_nodes, nodes_in(before) + nodes_in(after) + 64)) {}

    /// False: a damaged index, or more nodes than allowed; part of it may have been reported.
    bool run() {
        const unsigned shift = std::max(before_.levels, after_.levels) * index_bits;
        return visit({before_.root, before_.levels * index_bits},
                     {after_.root, after_.levels * index_bits}, shift, 0);
    }

private:
    /// A subtree: its keys have `own_shift` undecided bits; seen from a higher level they continue
    /// with zero digits, as below the root of a lower tree.
    struct Subtree {
        std::uint64_t entry = 0;
        unsigned own_shift = 0;
    };

    /// As many as a sound index can have; a damaged one could unfold to far more.
    static std::uint64_t nodes_in(const IndexView& index) noexcept {
        return index.layers * index.levels;
    }

    static bool is_node(std::uint64_t entry) noexcept {
        return entry_kind(entry) == EntryKind::array_node ||
               entry_kind(entry) == EntryKind::bitmap_node;
    }

    bool visit(Subtree before, Subtree after, unsigned shift, std::uint64_t prefix) {
        if (shared_ && before.entry == after.entry &&
            (before.own_shift == after.own_shift || !is_node(before.entry))) {
            return true;  // one block, which cannot have changed: nothing below differs
        }
        if (!is_node(before.entry) && !is_node(after.entry)) {
            return leaves(before.entry, after.entry, shift, prefix);
        }
        if (shift == 0 || nodes_left_-- == 0) {
            return false;
        }
        const unsigned below = shift - index_bits;
        if (is_node(before.entry) && is_node(after.entry) && before.own_shift == shift &&
            after.own_shift == shift) {
            return visit_children(before.entry, after.entry, below, prefix);
        }
        for (unsigned digit = 0; digit < index_fanout; ++digit) {
            Subtree b;
            Subtree a;
            if (!child(before_, before, shift, below, digit, b) ||
                !child(after_, after, shift, below, digit, a)) {
                return false;
            }
            if ((b.entry != 0 || a.entry != 0) &&
                !visit(b, a, below, (prefix << index_bits) | digit)) {
                return false;
            }
        }
        return true;
    }

    // Of two nodes of one level, as nearly all are: most of their children are equal words.
    bool visit_children(std::uint64_t before, std::uint64_t after, unsigned below,
                        std::uint64_t prefix) {
        std::array<std::uint64_t, index_fanout> b;
        std::array<std::uint64_t, index_fanout> a;
        if (!load_children(before_, before, b) || !load_children(after_, after, a)) {
            return false;
        }
        for (unsigned digit = 0; digit < index_fanout; ++digit) {
            const bool differ = b[digit] != a[digit] || (!shared_ && b[digit] != 0);
            if (differ && !visit({b[digit], below}, {a[digit], below}, below,
                                 (prefix << index_bits) | digit)) {
                return false;
            }
        }
        return true;
    }

    static bool key_of(const IndexView& index, std::uint64_t entry, std::uint64_t& key) {
        if (!block_in_range(index, entry)) {
            return false;
        }
        key = block_key(index, entry);
        return true;
    }

    // The child of a node, or of what stands for one: a lone layer, or the root of a lower tree.
    static bool child(const IndexView& index, Subtree tree, unsigned shift, unsigned below,
                      unsigned digit, Subtree& result) {
        if (tree.entry == 0) {
            return true;
        }
        if (!is_node(tree.entry)) {
            std::uint64_t key = 0;
            if (!key_of(index, tree.entry, key)) {
                return false;
            }
            if (((key >> below) & (index_fanout - 1)) == digit) {
                result = {tree.entry, below};
            }
            return true;
        }
        if (tree.own_shift < shift) {
            if (digit == 0) {
                result = tree;
            }
            return true;
        }
        result.own_shift = below;
        return load_child(index, tree.entry, digit, result.entry);
    }

    bool leaves(std::uint64_t before, std::uint64_t after, unsigned shift, std::uint64_t prefix) {
        std::uint64_t old_key = prefix;
        std::uint64_t new_key = prefix;
        if (shift != 0 && ((before != 0 && !key_of(before_, before, old_key)) ||
                           (after != 0 && !key_of(after_, after, new_key)))) {
            return false;
        }
        if (before != 0 && after != 0 && old_key != new_key) {
            if (old_key < new_key) {
                report_(old_key, before, std::uint64_t{0});
                report_(new_key, std::uint64_t{0}, after);
            } else {
                report_(new_key, std::uint64_t{0}, after);
                report_(old_key, before, std::uint64_t{0});
            }
        } else if (before != 0 || after != 0) {
            report_(before != 0 ? old_key : new_key, before, after);
        }
        return true;
    }

    const IndexView& before_;
    const IndexView& after_;
    const bool shared_;
    Report report_;
    std::uint64_t nodes_left_;
};

}  // namespace strata::ipc
