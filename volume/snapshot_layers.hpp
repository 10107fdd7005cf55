// SPDX-License-Identifier: Apache-2.0
// From a snapshot into archives: which dimensions, and one layer after the other, each compared
// with its checksum. Export and backup share it.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>
#include <vector>

#include "strata/snapshot.hpp"
#include "strata/volume_archive.hpp"
#include "strata/volume_transfer.hpp"

namespace strata::volume_impl {

/// Counters that several threads add to; one reads them now and then. Nothing else depends on them.
struct TransferCounters {
    std::atomic<std::uint64_t> layers{0};
    std::atomic<std::uint64_t> layers_total{0};
    std::atomic<std::uint64_t> bytes{0};
    std::atomic<std::uint64_t> region_bytes{0};

    TransferProgress progress() const noexcept;
};

/// Each once; all if none is named. Throws dimension_not_found.
std::vector<DimensionInfo> chosen_dimensions(const Snapshot& snapshot,
                                             const std::vector<Dimension>& dimensions,
                                             std::string_view operation);

/// Throws corrupt if it does not have its checksum. Under a ReadGuard, which the caller asks.
void check_layer(const Layer& layer, std::string_view operation);

/// All layers of a dimension, under a guard of its own; ends early when `stop` becomes true.
void write_layers(ArchiveWriter& writer, const DimensionView& view, TransferCounters& counters,
                  const std::atomic<bool>& stop, std::string_view operation);

}  // namespace strata::volume_impl
