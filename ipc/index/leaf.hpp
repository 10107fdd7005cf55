// SPDX-License-Identifier: Apache-2.0
// The edges of an index: its largest key, and the layers that stand beside one in a lowest node.
#pragma once

#include <cstdint>
#include <optional>

#include "ipc/index/find.hpp"
#include "ipc/index/view.hpp"

namespace strata::ipc {

/// The largest key, or nothing if the index is empty or damaged. Where a leaf hangs above the
/// lowest level its block says the key, and may lie.
std::optional<std::uint64_t> largest_key(const IndexView& index) noexcept;

/// Entry word of the lowest array node on the way to a key; 0 if there is none, or it lies outside
/// of the readable bytes.
std::uint64_t lowest_array_node(const IndexView& index, std::uint64_t key) noexcept;

/// visit(key, layer) for each layer in the lowest node that a key belongs to, if that is an array
/// node: they cost a fraction of a walk each.
template <class Visit>
void visit_neighbours(const IndexView& index, std::uint64_t key, Visit visit) {
    const std::uint64_t node = lowest_array_node(index, key);
    const std::uint64_t first = key & ~std::uint64_t{index_fanout - 1};
    for (unsigned digit = 0; node != 0 && digit < index_fanout; ++digit) {
        // Safe: the node lies inside the readable bytes.
        const std::uint64_t entry = index.word_at(entry_offset(node) + digit * 8);
        if (entry_kind(entry) == EntryKind::layer) {
            if (const Layer layer = layer_at(index, entry)) {
                visit(first + digit, layer);
            }
        }
    }
}

}  // namespace strata::ipc
