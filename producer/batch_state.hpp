// SPDX-License-Identifier: Apache-2.0
// What a batch has gathered: blocks that nobody can see yet, and what is to become of them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/layout.hpp"
#include "producer/store.hpp"
#include "strata/batch.hpp"

namespace strata::producer_impl {

/// One change of one layer, in the order in which they were made.
struct BatchOp {
    LayerId id;
    std::uint64_t header = 0;  // offset of the block's header in its region; 0: erase
    Region* region = nullptr;  // that the block lies in; kept alive by BatchDimension
    bool named = false;
    bool loaned = false;  // its checksum is still to be computed
};

/// What a batch does to one dimension as a whole.
struct BatchDimension {
    Dimension number = 0;
    std::shared_ptr<Region> region{};               // where its puts go; null: none yet
    std::vector<std::shared_ptr<Region>> former{};  // that it has moved on from meanwhile
    // From an earlier use. Weak: an idle batch must not keep the memory of a dimension that was
    // removed.
    std::weak_ptr<Region> remembered{};
    bool touched = false;  // else only remembered for its region
    bool remove = false;   // removed before anything else in this batch happens to it
    bool add = false;
    std::string name{};  // new name; empty: as it is
};

class BatchState {
public:
    explicit BatchState(Store& store) : store_(store) {}
    BatchState(const BatchState&) = delete;
    BatchState& operator=(const BatchState&) = delete;
    ~BatchState() { clear(); }

    Store& store() noexcept { return store_; }

    /// Makes a block for a layer. `name` may be empty.
    void put(LayerId id, std::span<const std::byte> payload, std::string_view name,
             const LayerOptions& options);
    /// The same, its payload to be filled in by the caller.
    std::span<std::byte> loan(LayerId id, std::size_t bytes, const LayerOptions& options);
    void erase(LayerId id);
    void add_dimension(Dimension dimension, const DimensionOptions& options);
    void remove_dimension(Dimension dimension);

    void clear() noexcept;
    std::size_t size() const noexcept { return ops_.size() + dimension_changes_; }

    // For Store::commit.
    /// Sorts by id, keeps the last change of each, and frees the blocks of the others. Throws
    /// name_collision.
    void settle();
    std::vector<BatchOp>& ops() noexcept { return ops_; }
    /// Ascending by number.
    std::vector<BatchDimension>& dimensions() noexcept { return dimensions_; }
    /// Copies blocks in regions that were moved on from to their successors. Commit mutex held.
    /// Throws dimension_not_found, limit_exceeded.
    void follow_moves();

    // For moving a dimension to another region: Store::relocate.
    void begin_relocation(const std::shared_ptr<Region>& from, const std::shared_ptr<Region>& to);
    /// The next layer in ascending order. False: no room.
    bool relocate_layer(std::uint64_t layer, std::uint64_t header);
    bool relocates() const noexcept { return relocated_from_ != nullptr; }
    /// Blocks of the old region that become unreachable, with bytes and births.
    std::vector<CommitTrail::Block> left_behind() const;

    /// After publishing: the blocks are the store's now.
    void forget() noexcept;

private:
    std::span<std::byte> place(LayerId id, std::size_t payload_bytes, const std::byte* source,
                               std::string_view name, const LayerOptions& options,
                               std::string_view operation);
    BatchDimension& touch(Dimension number);
    Region& region_of(BatchDimension& dimension, const DimensionOptions& options = {});
    void free_op(const BatchOp& op) noexcept;

    Store& store_;
    std::vector<BatchOp> ops_;
    std::vector<BatchDimension> dimensions_;
    std::size_t dimension_changes_ = 0;
    bool sorted_ = true;
    std::shared_ptr<Region> relocated_from_;
    std::vector<CommitTrail::Block> left_behind_;
};

/// Bytes of the allocation for a layer's block.
std::uint64_t layer_allocation_bytes(std::uint64_t payload_bytes, std::uint64_t metadata_bytes,
                                     std::uint64_t alignment) noexcept;
/// Fills in the checksum of a block that is complete.
void seal_layer(std::byte* header) noexcept;
/// The name in a layer block of our own (trusted) region.
std::string_view layer_name(const std::byte* header) noexcept;

}  // namespace strata::producer_impl
