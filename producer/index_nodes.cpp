// SPDX-License-Identifier: Apache-2.0
#include "producer/index_nodes.hpp"

#include <algorithm>

#include "ipc/crash_point.hpp"

namespace strata::producer_impl {

using ipc::entry_kind;
using ipc::entry_offset;
using ipc::EntryKind;

namespace {

// Children from which a node is an array: faster to walk, and at most 32 bytes a child. The root is
// on every walk and there is only one.
constexpr unsigned array_from = 16;
constexpr unsigned array_root_from = 4;

}  // namespace

void IndexNodes::expand(std::uint64_t entry, unsigned below, Children& children) const noexcept {
    const auto* const words = words_of(entry);
    if (entry_kind(entry) == EntryKind::array_node) {
        std::copy_n(words, ipc::index_fanout, children);
        return;
    }
    std::fill_n(children, ipc::index_fanout, 0);
    if (entry_kind(entry) == EntryKind::layer) {
        children[index_digit(key_of(entry), below)] = entry;
    } else if (entry_kind(entry) == EntryKind::bitmap_node) {
        std::size_t next = 1;
        for (std::uint64_t bitmap = words[0]; bitmap != 0; bitmap &= bitmap - 1) {
            children[std::countr_zero(bitmap)] = words[next++];
        }
    }
}

std::uint64_t IndexNodes::replace_child(std::uint64_t node, const Slot& slot, std::uint64_t child) {
    const std::uint64_t copy = new_node(slot.bytes);
    auto* const target = region_.at<std::uint64_t>(copy);
    std::copy_n(words_of(node), slot.bytes / 8, target);
    STRATA_CRASH_POINT("index.node-written");
    target[slot.place] = child;
    retire_node(node);
    return ipc::node_entry(entry_kind(node), copy);
}

std::uint64_t IndexNodes::build(const Children& children, bool root) {
    unsigned count = 0;
    std::uint64_t last = 0;
    for (const std::uint64_t child : children) {
        if (child != 0) {
            ++count;
            last = child;
        }
    }
    if (count == 0 || (count == 1 && entry_kind(last) == EntryKind::layer)) {
        return last;
    }
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

std::uint64_t IndexNodes::new_node(std::uint64_t bytes) {
    bytes_delta_ += BlockAllocator::rounded_bytes(bytes);
    return blocks_.allocate(region_, bytes);
}

void IndexNodes::retire_layer(std::uint64_t entry) {
    // Its checksum leaves the digest when all is applied: the line is on its way until then.
    const std::uint64_t header = entry_offset(entry);
    prefetch<Use::read>(region_.at(header - sizeof(std::uint64_t)), 1);
    prefetch<Use::read>(region_.at(header + sizeof(ipc::LayerHeader) - 1), 1);
    blocks_.trail().replaced.push_back(header);
    retire(ipc::layer_allocation(entry));
}

}  // namespace strata::producer_impl
