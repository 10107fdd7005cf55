// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/dimension_homes.hpp"

namespace strata::producer_impl {

std::optional<Home> DimensionHomes::find(Dimension dimension) const {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(dimension);
    if (found == entries_.end()) {
        return std::nullopt;
    }
    auto region = found->second.region.lock();
    return region ? std::optional(Home{std::move(region), found->second.lineage}) : std::nullopt;
}

Home DimensionHomes::find_or_set(Dimension dimension, const std::shared_ptr<Region>& region) {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_[dimension];
    if (auto known = entry.region.lock()) {
        return {std::move(known), entry.lineage};
    }
    entry = {region, new_lineage()};
    return {region, entry.lineage};
}

void DimensionHomes::prepare(Dimension dimension) {
    const std::lock_guard lock(mutex_);
    entries_[dimension];  // without a region it says nothing
}

void DimensionHomes::set(Dimension dimension, const std::shared_ptr<Region>& region,
                         std::uint64_t lineage) noexcept {
    const std::lock_guard lock(mutex_);
    Entry& entry = entries_.find(dimension)->second;
    const bool same = entry.lineage == lineage && !entry.region.owner_before(region) &&
                      !region.owner_before(entry.region);
    if (!same) {  // else it is published as the batches that filled it expect
        entry = {region, lineage};
        changed();
    }
}

void DimensionHomes::erase(Dimension dimension) noexcept {
    const std::lock_guard lock(mutex_);
    entries_.erase(dimension);
    changed();
}

}  // namespace strata::producer_impl
