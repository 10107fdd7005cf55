// SPDX-License-Identifier: Apache-2.0
// The newest generation of a store, as its producer keeps it: the root, and what each dimension's
// record says. Only commits and recovery change it.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "ipc/format/layout.hpp"
#include "ipc/index/view.hpp"
#include "producer/commit/dimension_names.hpp"
#include "producer/commit_lock.hpp"
#include "producer/memory/region.hpp"
#include "producer/reserve.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

/// What changes with each commit to a dimension, as its record says.
struct DimensionState {
    std::uint64_t index = 0;  // entry word
    std::uint32_t levels = 0;
    std::uint64_t layers = 0;
    std::uint64_t live_bytes = 0;
    std::uint64_t digest = 0;
    std::uint64_t record_offset = 0;  // of the DimensionRecord in the control file
    std::uint64_t record_checksum = 0;
    Generation generation = 0;  // that changed it last
};

struct PublishedDimension {
    std::shared_ptr<Region> region;  // its layers and its index lie in
    std::uint64_t lineage = 0;       // see DimensionHomes
    std::string name;
    DimensionState state;

    ipc::IndexView index() const {
        return {.base = region->at(0),
                .limit = region->end(),
                .root = state.index,
                .levels = state.levels,
                .slot = 0,
                .layers = state.layers};
    }
};

class CurrentGeneration {
public:
    /// Any thread.
    Generation number() const noexcept { return number_.load(std::memory_order_acquire); }

    const ipc::RootRecord& root() const noexcept STRATA_REQUIRES(commit_role) { return root_; }
    std::uint64_t root_offset() const noexcept STRATA_REQUIRES(commit_role) { return offset_; }
    void set_root(const ipc::RootRecord& root, std::uint64_t offset) noexcept
        STRATA_REQUIRES(commit_role) {
        root_ = root;
        offset_ = offset;
        number_.store(root.generation, std::memory_order_release);
    }

    /// Of the next generation.
    Generation next_number() const noexcept STRATA_REQUIRES(commit_role) {
        return std::max(root_.generation, skipped_up_to_) + 1;
    }
    /// Never gives out numbers up to this one again: generations that a power failure took away may
    /// have had them.
    void skip_numbers(Generation up_to) noexcept STRATA_REQUIRES(commit_role) {
        skipped_up_to_ = up_to;
    }

    using Dimensions = std::unordered_map<Dimension, PublishedDimension>;
    const Dimensions& dimensions() const noexcept STRATA_REQUIRES(commit_role) {
        return dimensions_;
    }
    /// Null: there is none.
    PublishedDimension* find(Dimension dimension) noexcept STRATA_REQUIRES(commit_role) {
        const auto found = dimensions_.find(dimension);
        return found != dimensions_.end() ? &found->second : nullptr;
    }

    /// The lowest number of that name.
    std::optional<Dimension> find(std::string_view name) const STRATA_REQUIRES(commit_role) {
        return names_.find(name, dimensions_);
    }

    struct UsedRegion {
        std::shared_ptr<Region> region;
        std::size_t dimensions = 0;  // that lie in it
    };
    /// By serial. A shared region stays when its last dimension goes.
    using Regions = std::map<std::uint64_t, UsedRegion>;
    const Regions& regions() const noexcept STRATA_REQUIRES(commit_role) { return regions_; }

    // Taking over a store.
    /// Within the room that was reserved. Throws std::bad_alloc.
    void add(Dimension number, PublishedDimension&& dimension) STRATA_REQUIRES(commit_role) {
        enter_region(dimension.region->serial);
        names_.insert(DimensionNames::entry(dimension.name, number));
        dimensions_.emplace(number, std::move(dimension));
    }
    void add_region(std::shared_ptr<Region> region) STRATA_REQUIRES(commit_role) {
        const std::uint64_t serial = region->serial;
        regions_.emplace(serial, UsedRegion{std::move(region), 0});
    }

    // Commits. Nodes are made ahead, so that what publishes them cannot fail.
    /// Makes room for `count` more dimensions.
    void reserve(std::size_t count) STRATA_REQUIRES(commit_role) {
        reserve_buckets(dimensions_, count);
        names_.reserve(count);
    }
    // Both within the room that was reserved: a dimension, and the entry for its name.
    void insert(Dimensions::node_type&& dimension) noexcept STRATA_REQUIRES(commit_role) {
        dimensions_.insert(std::move(dimension));
    }
    void insert(DimensionNames::Entries::node_type&& name) noexcept STRATA_REQUIRES(commit_role) {
        names_.insert(std::move(name));
    }
    void erase(Dimension dimension) noexcept STRATA_REQUIRES(commit_role) {
        const auto found = dimensions_.find(dimension);
        names_.erase(found->second.name, dimension);
        dimensions_.erase(found);
    }
    /// A dimension that is there.
    void rename(Dimension number, PublishedDimension& dimension, std::string&& name) noexcept
        STRATA_REQUIRES(commit_role) {
        names_.rename(dimension.name, name, number);
        dimension.name = std::move(name);
    }
    /// No effect if it is there already.
    void insert(Regions::node_type&& region) noexcept STRATA_REQUIRES(commit_role) {
        regions_.insert(std::move(region));
    }
    void enter_region(std::uint64_t serial) noexcept STRATA_REQUIRES(commit_role) {
        ++regions_.find(serial)->second.dimensions;
    }
    /// One dimension less. A region of its own is dropped from the list; the code that retires it
    /// keeps it alive.
    void leave_region(std::uint64_t serial) noexcept STRATA_REQUIRES(commit_role) {
        const auto region = regions_.find(serial);
        if (--region->second.dimensions == 0 && region->second.region->owner) {
            regions_.erase(region);
        }
    }

private:
    std::atomic<Generation> number_{0};
    ipc::RootRecord root_ STRATA_GUARDED_BY(commit_role){};
    std::uint64_t offset_ STRATA_GUARDED_BY(commit_role) = 0;
    Generation skipped_up_to_ STRATA_GUARDED_BY(commit_role) = 0;
    Dimensions dimensions_ STRATA_GUARDED_BY(commit_role);
    DimensionNames names_ STRATA_GUARDED_BY(commit_role);
    Regions regions_ STRATA_GUARDED_BY(commit_role);
};

}  // namespace strata::producer_impl
