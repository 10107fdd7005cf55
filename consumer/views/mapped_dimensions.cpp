// SPDX-License-Identifier: Apache-2.0
#include "consumer/views/mapped_dimensions.hpp"

#include <algorithm>

#include "ipc/crash_point.hpp"

namespace strata::consumer_impl {

void MappedDimensions::prepare(const ipc::RootRecord& root) {
    if (root.layout_generation != regions_layout_) {
        drop_unused_regions();
        regions_layout_ = root.layout_generation;
    }
    cache_.prepare(root.generation, root.live_bytes);
}

// Mappings of regions that were removed would keep their memory from the system. Those still in use
// are mapped again when they are touched.
void MappedDimensions::drop_unused_regions() noexcept {
    cache_.forget_unread();
    std::erase_if(regions_, [](const auto& entry) { return entry.second.use_count() == 1; });
}

CachedDimension& MappedDimensions::version_of(Generation generation,
                                              const ipc::DimensionRecord& record) {
    if (CachedDimension* const known = cache_.match(generation, record)) {
        return *known;
    }
    auto found = std::lower_bound(
        regions_.begin(), regions_.end(), record.serial,
        [](const auto& entry, std::uint64_t serial) { return entry.first < serial; });
    if (found == regions_.end() || found->first != record.serial) {
        auto mapped =
            std::make_shared<ipc::RegionMapping>(attachment_.store, attachment_.control.identity(),
                                                 record, attachment_.trust, attachment_.operation);
        found = regions_.emplace(found, record.serial, std::move(mapped));
    }
    STRATA_CRASH_POINT("view.region-mapped");
    const ipc::IndexView index = found->second->index_of(record, attachment_.operation);
    return *cache_.add(generation, record, index, found->second);
}

ConsumerStatistics MappedDimensions::statistics() const noexcept {
    return {.lookup_cache_bytes = cache_.memory().used(),
            .lookup_cache_limit = cache_.memory().limit(),
            .cached_dimensions = cache_.versions(),
            .cached_lists = cache_.lists(),
            .mapped_regions = regions_.size()};
}

}  // namespace strata::consumer_impl
