// SPDX-License-Identifier: Apache-2.0
#include "volume/dimension_difference.hpp"

#include "strata/changes.hpp"

namespace strata::volume_impl {

DimensionDifference difference(const Snapshot& before, const Snapshot& after, Dimension dimension) {
    DimensionDifference found;
    for (const Change& change : changes(before, after, dimension)) {
        if (change.kind == Change::Kind::removed) {
            found.removed.push_back(change.id.layer);
        } else if (change.kind == Change::Kind::added ||
                   change.before.checksum() != change.after.checksum() ||
                   change.before.size() != change.after.size()) {
            found.put.push_back(change.after);
        }
    }
    return found;
}

DimensionDifference difference(const BackedLayers& before, const DimensionView& after) {
    DimensionDifference found;
    auto old = before.layers().begin();
    const auto old_end = before.layers().end();
    const auto remove_below = [&](std::uint64_t number) {
        for (; old != old_end && old->layer->layer < number; ++old) {
            found.removed.push_back(old->layer->layer);
        }
    };
    for (const Layer& layer : after) {
        const std::uint64_t number = layer.id().layer;
        remove_below(number);
        const bool known = old != old_end && old->layer->layer == number;
        if (!known || old->layer->live_checksum != layer.checksum() ||
            old->layer->content_size != layer.size()) {
            found.put.push_back(layer);
        }
        old += known ? 1 : 0;
    }
    for (; old != old_end; ++old) {
        found.removed.push_back(old->layer->layer);
    }
    return found;
}

}  // namespace strata::volume_impl
