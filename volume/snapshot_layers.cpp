// SPDX-License-Identifier: Apache-2.0
#include "volume/snapshot_layers.hpp"

#include <algorithm>
#include <string>

#include "ipc/failure.hpp"
#include "strata/read_guard.hpp"

namespace strata::volume_impl {

TransferProgress TransferCounters::progress() const noexcept {
    return {.layers = layers.load(std::memory_order_relaxed),
            .layers_total = layers_total.load(std::memory_order_relaxed),
            .bytes = bytes.load(std::memory_order_relaxed)};
}

std::vector<DimensionInfo> chosen_dimensions(const Snapshot& snapshot,
                                             const std::vector<Dimension>& dimensions,
                                             std::string_view operation) {
    std::vector<DimensionInfo> all = snapshot.dimensions();
    if (dimensions.empty()) {
        return all;
    }
    std::vector<DimensionInfo> found;
    for (const Dimension dimension : dimensions) {
        const auto at = std::ranges::find(all, dimension, &DimensionInfo::dimension);
        if (at == all.end()) {
            ipc::fail(Errc::dimension_not_found, operation, "",
                      "generation " + std::to_string(snapshot.generation()) + " has no dimension " +
                          std::to_string(dimension));
        }
        if (std::ranges::find(found, dimension, &DimensionInfo::dimension) == found.end()) {
            found.push_back(*at);
        }
    }
    return found;
}

void check_layer(const Layer& layer, std::string_view operation) {
    if (!layer.verify()) {
        ipc::fail(Errc::corrupt, operation, "",
                  "layer " + std::to_string(layer.id().layer) + " of dimension " +
                      std::to_string(layer.id().dimension) +
                      " of the live store does not have its checksum",
                  "`strata verify` lists all damage");
    }
}

void write_layers(ArchiveWriter& writer, const DimensionView& view, TransferCounters& counters,
                  const std::atomic<bool>& stop, std::string_view operation) {
    const ReadGuard guard;
    for (const Layer& layer : view) {
        if (stop.load(std::memory_order_relaxed)) {
            return;
        }
        try {
            check_layer(layer, operation);
            writer.add(layer);
            counters.layers.fetch_add(1, std::memory_order_relaxed);
            counters.bytes.fetch_add(layer.size(), std::memory_order_relaxed);
        } catch (const Error&) {
            guard.check(operation);  // a file that was cut short is the reason that counts
            throw;
        }
    }
    guard.check(operation);
}

}  // namespace strata::volume_impl
