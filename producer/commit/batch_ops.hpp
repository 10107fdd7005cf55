// SPDX-License-Identifier: Apache-2.0
// The changes of single layers that a batch has gathered, and the blocks that they put: the list
// owns these until it is told to forget them. Nobody can see the blocks yet. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "producer/commit/placement.hpp"
#include "producer/memory/region.hpp"
#include "producer/reserve.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

/// One change of one layer, in the order in which they were made.
struct BatchOp {
    LayerId id;
    std::uint64_t header = 0;  // offset of the block's header in its region; 0: erase
    Region* region = nullptr;  // that the block lies in; kept alive by the batch's BatchDimension
    bool named = false;
    bool loaned = false;  // its checksum is still to be computed
};

class BatchOps {
public:
    BatchOps() = default;
    BatchOps(const BatchOps&) = delete;
    BatchOps& operator=(const BatchOps&) = delete;

    /// In the order in which they were made; ascending by id, each once, after consolidate().
    std::vector<BatchOp>& all() noexcept { return ops_; }
    std::size_t size() const noexcept { return ops_.size(); }

    /// Room for `count` more, so that add() does not throw. Throws std::bad_alloc.
    void reserve(std::size_t count) { reserve_more(ops_, count); }
    /// Takes over the block.
    void add(const BatchOp& op) {
        if (!ops_.empty() && !(ops_.back().id < op.id)) {
            sorted_ = false;
        }
        ops_.push_back(op);
    }

    /// Computes the checksums of loaned blocks, sorts by id, keeps the last change of each, and
    /// frees the blocks of the others. Throws name_collision, naming `store`: two names of one
    /// number.
    void consolidate(std::string_view store);
    /// Copies the blocks of a dimension that lie elsewhere to region `to`. Throws limit_exceeded:
    /// those not copied are where they were.
    void relocate(Dimension number, Region& to, Placement& placement);
    /// Frees the blocks of a dimension and drops its changes.
    void drop(Dimension number) noexcept;
    void free_blocks() noexcept;
    /// The blocks are somebody else's now.
    void forget() noexcept;

private:
    std::vector<BatchOp> ops_;
    bool sorted_ = true;
};

}  // namespace strata::producer_impl
