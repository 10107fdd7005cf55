// SPDX-License-Identifier: Apache-2.0
// What a dimension has in a snapshot that it did not have before, and the other way round. Layers
// are told apart by number, size and checksum: one that was put again with equal content is no
// difference.
#pragma once

#include <cstdint>
#include <vector>

#include "strata/layer.hpp"
#include "strata/snapshot.hpp"
#include "volume/backed_layers.hpp"

namespace strata::volume_impl {

struct DimensionDifference {
    std::vector<Layer> put{};              ///< new ones and changed ones, ascending
    std::vector<std::uint64_t> removed{};  ///< numbers, ascending
};

// Valid while the later snapshot lives. Under a ReadGuard, which the caller asks.

/// Of two generations of one store: O(changes). Throws what strata::changes throws.
DimensionDifference difference(const Snapshot& before, const Snapshot& after, Dimension dimension);
/// To a backup, by what its archives say: O(layers), of which no content is read. Throws corrupt.
DimensionDifference difference(const BackedLayers& before, const DimensionView& after);

}  // namespace strata::volume_impl
