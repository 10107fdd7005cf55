// SPDX-License-Identifier: Apache-2.0
// What a batch has gathered: the changes of layers, each with its block, and those of dimensions.
// One thread at a time; what commits it holds the commit lock.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/fork_hooks.hpp"
#include "producer/commit/batch_dimensions.hpp"
#include "producer/commit/batch_ops.hpp"
#include "producer/commit/placement.hpp"
#include "producer/commit_lock.hpp"
#include "producer/memory/region.hpp"
#include "strata/batch.hpp"

namespace strata::producer_impl {

class OpenStore;
struct PublishedDimension;

class BatchState {
public:
    BatchState(OpenStore& store, Placement& placement)
        : store_(store), placement_(placement), dimensions_(placement) {}
    BatchState(const BatchState&) = delete;
    BatchState& operator=(const BatchState&) = delete;
    ~BatchState() { clear(); }

    OpenStore& store() noexcept { return store_; }

    /// Makes a block for a layer. `name` may be empty.
    void put(LayerId id, std::span<const std::byte> payload, std::string_view name,
             const LayerOptions& options);
    /// The same, its payload to be filled in by the caller.
    std::span<std::byte> loan(LayerId id, std::size_t bytes, std::string_view name,
                              const LayerOptions& options);
    void erase(LayerId id);
    void add_dimension(Dimension dimension, const DimensionOptions& options,
                       std::string_view name_if_new = {});
    /// Finds or adds the dimension called `name`.
    Dimension add_dimension(std::string_view name, const DimensionOptions& options);
    void clear_dimension(Dimension dimension);
    void remove_dimension(Dimension dimension);

    void clear() noexcept;
    std::size_t size() const noexcept { return ops_.size() + dimension_changes_; }
    /// Dimensions that are added, named, cleared or removed, not only by the layers put.
    std::size_t dimension_changes() const noexcept { return dimension_changes_; }

    // For Committer::commit.
    /// Leaves one change of each layer, and sorts layers and dimensions. Throws name_collision.
    void consolidate();
    /// Ascending by id.
    std::vector<BatchOp>& ops() noexcept { return ops_.all(); }
    /// Ascending by number.
    std::vector<BatchDimension>& dimensions() noexcept { return dimensions_.all(); }
    /// Copies blocks in regions that dimensions were relocated from to their present ones. Throws
    /// dimension_not_found, limit_exceeded.
    void follow_relocations() STRATA_REQUIRES(commit_role);

    // For Relocator.
    /// The next dimension in ascending order; all of one batch leave the same region.
    void begin_relocation(Dimension dimension, const PublishedDimension& from,
                          const std::shared_ptr<Region>& to);
    /// Its next layer in ascending order. Refused: no room.
    Region::Allocation relocate_layer(std::uint64_t layer, std::uint64_t header);
    bool relocates() const noexcept { return relocated_from_ != nullptr; }

    /// After publishing: the blocks are the store's now.
    void forget() noexcept;

private:
    std::span<std::byte> place(LayerId id, std::size_t payload_bytes, const std::byte* source,
                               std::string_view name, const LayerOptions& options,
                               std::string_view operation);

    OpenStore& store_;
    Placement& placement_;
    const ipc::ProcessMark owner_;
    BatchOps ops_;
    BatchDimensions dimensions_;
    std::size_t dimension_changes_ = 0;
    std::shared_ptr<Region> relocated_from_;
};

}  // namespace strata::producer_impl
