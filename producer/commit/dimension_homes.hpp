// SPDX-License-Identifier: Apache-2.0
// Where puts into a dimension go: the region that will hold it when they are committed. Known
// before a dimension is published, so that batches that add it at the same time agree. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>

#include "ipc/thread_annotations.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

class Region;

/// A dimension that is removed and added again has another lineage; one that is relocated keeps it.
struct Home {
    std::shared_ptr<Region> region;
    std::uint64_t lineage = 0;
};

class DimensionHomes {
public:
    /// Changes whenever a dimension is removed, replaced or relocated: what `find` said before may
    /// be out of date then. Acquire; partner: the release in `changed`.
    std::uint64_t version() const noexcept { return version_.load(std::memory_order_acquire); }

    std::optional<Home> find(Dimension dimension) const;
    /// The dimension's home; if it has none, `region` becomes it, under a new lineage.
    Home find_or_set(Dimension dimension, const std::shared_ptr<Region>& region);
    std::uint64_t new_lineage() noexcept {
        return next_lineage_.fetch_add(1, std::memory_order_relaxed);
    }

    /// Makes sure that `set` of this dimension cannot fail.
    void prepare(Dimension dimension);
    void set(Dimension dimension, const std::shared_ptr<Region>& region,
             std::uint64_t lineage) noexcept;
    void erase(Dimension dimension) noexcept;

private:
    // Weak: a file that was never published is removed with the last batch that fills it.
    struct Entry {
        std::weak_ptr<Region> region;
        std::uint64_t lineage = 0;
    };

    void changed() noexcept { version_.fetch_add(1, std::memory_order_release); }

    mutable std::mutex mutex_;
    std::unordered_map<Dimension, Entry> entries_;  // guarded by mutex_
    std::atomic<std::uint64_t> version_{1};
    std::atomic<std::uint64_t> next_lineage_{1};
};

}  // namespace strata::producer_impl
