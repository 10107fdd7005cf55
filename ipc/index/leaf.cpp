// SPDX-License-Identifier: Apache-2.0
#include "ipc/index/leaf.hpp"

namespace strata::ipc {

std::optional<std::uint64_t> largest_key(const IndexView& index) noexcept {
    std::uint64_t word = index.root;
    for (unsigned level = 0; level <= index.levels; ++level) {
        if (entry_kind(word) == EntryKind::layer) {
            return block_in_range(index, word) ? std::optional(block_key(index, word))
                                               : std::nullopt;
        }
        if (entry_kind(word) == EntryKind::nothing) {
            return std::nullopt;
        }
        const std::uint64_t node = word;
        word = 0;
        for (unsigned digit = index_fanout; digit-- > 0 && word == 0;) {
            if (!load_child(index, node, digit, word)) {
                return std::nullopt;
            }
        }
    }
    return std::nullopt;
}

std::uint64_t lowest_array_node(const IndexView& index, std::uint64_t key) noexcept {
    std::uint64_t word = index.root;
    for (unsigned shift = index.levels * index_bits; shift > index_bits;) {
        shift -= index_bits;
        const auto digit = static_cast<unsigned>(key >> shift) & (index_fanout - 1);
        if (entry_kind(word) == EntryKind::layer || !load_child(index, word, digit, word)) {
            return 0;
        }
    }
    const bool whole = entry_kind(word) == EntryKind::array_node &&
                       entry_offset(word) <= index.limit - array_node_bytes;
    return whole ? word : 0;
}

}  // namespace strata::ipc
