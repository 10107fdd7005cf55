// SPDX-License-Identifier: Apache-2.0
// Changing an index by path copying: new nodes beside the old ones, each touched node copied once
// per batch (Driscoll et al., "Making Data Structures Persistent", 1989, section 2.3).
#pragma once

#include <cstdint>
#include <span>

#include "ipc/format/layout.hpp"
#include "producer/commit/block_source.hpp"
#include "producer/index_nodes.hpp"
#include "producer/memory/region.hpp"

namespace strata::producer_impl {

struct IndexChange {
    std::uint64_t key = 0;
    std::uint64_t entry = 0;  // new layer entry; 0: erase
};

struct IndexRoot {
    std::uint64_t entry = 0;
    std::uint32_t levels = 0;
};

class IndexWriter {
public:
    IndexWriter(Region& region, BlockSource& blocks) noexcept : nodes_(region, blocks) {}

    /// Applies changes (ascending keys, each once). New nodes come from the block source; old nodes
    /// and layers are retired in its trail. Throws what the source throws; the old index is
    /// untouched.
    IndexRoot apply(IndexRoot root, std::span<const IndexChange> changes);

    /// Layers added, less those removed.
    std::int64_t layers_delta() const noexcept { return layers_delta_; }
    /// See IndexNodes.
    std::uint64_t bytes_delta() const noexcept { return nodes_.bytes_delta(); }

private:
    std::uint64_t apply(std::uint64_t entry, unsigned entry_shift, unsigned shift,
                        std::span<const IndexChange> changes);
    /// The successor of the root, if the nodes on the way to one key stay as they are otherwise;
    /// 0: they do not, and nothing was done.
    std::uint64_t change_in_place(IndexRoot root, const IndexChange& change);
    std::uint64_t change_one(std::uint64_t node, unsigned shift, const IndexChange& change);
    std::uint64_t apply_leaf(std::uint64_t old, const IndexChange& change);
    std::uint64_t replace_layer(std::uint64_t old, const IndexChange& change);

    IndexNodes nodes_;
    unsigned root_shift_ = 0;
    std::int64_t layers_delta_ = 0;
};

/// The entry that `key` has in an index of this region, or 0.
std::uint64_t find_entry(const Region& region, IndexRoot root, std::uint64_t key) noexcept;

}  // namespace strata::producer_impl
