// SPDX-License-Identifier: Apache-2.0
// A walk over a whole index that continues past damage, for tools that examine stores rather than
// use them.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <utility>

#include "ipc/format/layout.hpp"
#include "ipc/index/view.hpp"

namespace strata::ipc {

/// Calls leaf(prefix, shift, entry) for each leaf entry, in key order: the upper bits of its key,
/// from `shift` up, are `prefix`. Its block's header is inside the readable bytes. Calls
/// damage(offset, what) for what contradicts the format, and goes on.
///
/// Bounded whatever the bytes say: a sound index has at most `levels` nodes above each leaf, so a
/// walk that meets more nodes or leaves than the record allows ends there; and so does one whose
/// leaves would together have more bytes than the file, for somebody may read them all.
template <class Leaf, class Damage>
class IndexWalk {
public:
    IndexWalk(const IndexView& index, Leaf leaf, Damage damage)
        : index_(index),
          leaf_(std::move(leaf)),
          damage_(std::move(damage)),
          nodes_left_(index.layers * index.levels),
          leaves_left_(index.layers),
          bytes_left_(index.limit) {}

    void run() { visit(index_.root, index_.levels, 0); }

private:
    // The topmost of 11 digits has 4 bits: 64 = 10 x 6 + 4.
    static constexpr unsigned top_digits = 16;

    void visit(std::uint64_t entry, unsigned levels, std::uint64_t prefix) {
        // The header of a layer stands on a multiple of 8, all else on one of 16.
        const bool is_layer = entry_kind(entry) == EntryKind::layer;
        const std::uint64_t zero_bits = is_layer ? 0b0100 : 0b1100;
        const std::uint64_t offset = entry_offset(entry);
        if (ended_) {
            return;
        }
        if ((entry & zero_bits) != 0) {
            damage_(offset, std::string_view("an index entry has bits that must be zero"));
            return;
        }
        switch (entry_kind(entry)) {
            case EntryKind::nothing:
                if (entry != 0) {
                    damage_(offset, std::string_view("an index entry of no kind is not zero"));
                }
                return;
            case EntryKind::layer:
                if (leaves_left_ == 0) {
                    end("the index holds more entries than its record says");
                } else if (--leaves_left_; !block_in_range(index_, entry)) {
                    damage_(offset, std::string_view("an index entry points out of the file"));
                } else if (!take_bytes(entry)) {
                    end("the blocks in the index overlap");
                } else {
                    leaf_(prefix, levels * index_bits, entry);
                }
                return;
            case EntryKind::array_node:
            case EntryKind::bitmap_node: break;
        }
        if (levels == 0) {
            damage_(offset, std::string_view("the index is deeper than its record says"));
        } else if (nodes_left_-- == 0) {
            end("the index has more nodes than its record allows");
        } else if (offset < header_bytes || offset > index_.limit - 8) {
            damage_(offset, std::string_view("an index node lies outside of the file"));
        } else {
            children(entry, offset, levels, prefix);
        }
    }

    void children(std::uint64_t entry, std::uint64_t offset, unsigned levels,
                  std::uint64_t prefix) {
        const bool array = entry_kind(entry) == EntryKind::array_node;
        std::uint64_t remaining = array ? ~std::uint64_t{0} : index_.word_at(offset);
        if (!array && remaining == 0) {
            damage_(offset, std::string_view("an index node is empty"));
        }
        for (; remaining != 0 && !ended_; remaining &= remaining - 1) {
            const auto digit = static_cast<unsigned>(std::countr_zero(remaining));
            std::uint64_t child = 0;
            if (!load_child(index_, entry, digit, child)) {
                damage_(offset, std::string_view("an index node reaches out of the file"));
                return;
            }
            if (child == 0) {
                if (!array) {
                    damage_(offset, std::string_view("an index node has an empty entry"));
                }
                continue;
            }
            if (levels == max_index_levels && digit >= top_digits) {
                damage_(offset, std::string_view("an index node leads to keys beyond 64 bits"));
                return;
            }
            visit(child, levels - 1, (prefix << index_bits) | digit);
        }
    }

    // Precondition: block_in_range. Sizes that reach out of the file are not for us to complain of,
    // and nobody reads so far.
    bool take_bytes(std::uint64_t entry) noexcept {
        const std::uint64_t size = block_size(index_, entry);
        if (size > index_.limit) {
            return true;
        }
        const bool enough = size <= bytes_left_;
        bytes_left_ -= enough ? size : 0;
        return enough;
    }

    void end(std::string_view what) {
        ended_ = true;
        damage_(std::uint64_t{0}, what);
    }

    const IndexView& index_;
    Leaf leaf_;
    Damage damage_;
    std::uint64_t nodes_left_;
    std::uint64_t leaves_left_;
    std::uint64_t bytes_left_;
    bool ended_ = false;
};

template <class Leaf, class Damage>
void walk_index(const IndexView& index, Leaf leaf, Damage damage) {
    IndexWalk<Leaf, Damage>(index, std::move(leaf), std::move(damage)).run();
}

}  // namespace strata::ipc
