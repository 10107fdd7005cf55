// SPDX-License-Identifier: Apache-2.0
// Changing an index by path copying: new nodes beside the old ones, each touched node copied once
// per batch (Driscoll et al., "Making Data Structures Persistent", 1989, section 2.3).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ipc/layout.hpp"
#include "producer/region.hpp"

namespace strata::producer_impl {

/// What a commit has allocated and what it makes unreachable, so that it can be undone or retired.
struct CommitTrail {
    struct Block {
        Region* region;
        std::uint64_t offset;  // of the allocation, not of a layer's header
        std::uint64_t bytes;   // allocated: as asked for; retired: as it really is
        std::uint64_t birth;   // of a retired one: the epoch it was allocated in
    };
    std::vector<Block> allocated;
    std::vector<Block> retired;
};

/// Allocates for a commit; throws Error if there is no room.
using Allocate = std::function<std::uint64_t(Region&, std::uint64_t bytes)>;

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
    IndexWriter(Region& region, const Allocate& allocate, CommitTrail& trail)
        : region_(region), allocate_(allocate), trail_(trail) {}

    /// Applies changes (ascending keys, each once). Old nodes and layers are added to
    /// trail.retired, new nodes to trail.allocated. Throws what `allocate` throws; the old index is
    /// untouched.
    IndexRoot apply(IndexRoot root, std::span<const IndexChange> changes);

    /// Layers that came in addition, less those that went.
    std::int64_t layers_delta() const noexcept { return layers_delta_; }

    /// The entry that `key` has in this region's index now, or 0.
    std::uint64_t find(IndexRoot root, std::uint64_t key) const noexcept;

private:
    using Children = std::uint64_t[64];

    std::uint64_t apply(std::uint64_t entry, unsigned entry_shift, unsigned shift,
                        std::span<const IndexChange> changes);
    std::uint64_t change_one(std::uint64_t node, unsigned shift, const IndexChange& change);
    std::uint64_t apply_leaf(std::uint64_t old, const IndexChange& change);
    std::uint64_t replace_layer(std::uint64_t old, const IndexChange& change);
    void expand(std::uint64_t entry, unsigned shift, Children& children) const noexcept;
    std::uint64_t build(const Children& children, unsigned count, bool root);
    std::uint64_t new_node(std::uint64_t bytes);
    void retire_node(std::uint64_t entry);
    void retire_layer(std::uint64_t entry);
    void retire(std::uint64_t offset);
    void prefetch_node(std::uint64_t entry) const noexcept;
    std::uint64_t key_of(std::uint64_t entry) const noexcept;

    Region& region_;
    const Allocate& allocate_;
    CommitTrail& trail_;
    unsigned root_shift_ = 0;
    std::int64_t layers_delta_ = 0;
};

/// Start of the allocation behind a layer entry: its header lies (alignment - 64) bytes further on.
constexpr std::uint64_t allocation_of_layer(std::uint64_t entry) noexcept {
    return ipc::entry_offset(entry) - (ipc::entry_alignment(entry) - ipc::block_unit);
}

}  // namespace strata::producer_impl
