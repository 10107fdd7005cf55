// SPDX-License-Identifier: Apache-2.0
// What the store of this example holds after each step: a function of the step alone, so that
// whoever reads it can tell whether each byte is right.
#pragma once

#include <cstdint>
#include <string>

#include <strata/strata.hpp>

namespace volume_example {

inline constexpr strata::Dimension dimensions = 4;  // 1 to 4
inline constexpr std::uint64_t layers = 50;         // 0 to 49, in each
/// Holds the number of the step, as a value.
inline constexpr strata::LayerId step_layer{100, 0};

/// The last step up to `step` that has written the layer: the first one writes all, each later one
/// the same layer of each dimension.
inline std::uint64_t written_in(std::uint64_t layer, std::uint64_t step) {
    const std::uint64_t age = (step + layers - layer) % layers;
    return step >= age ? step - age : 0;
}

inline std::string content(const strata::LayerId& id, std::uint64_t step) {
    const std::string line = "dimension " + std::to_string(id.dimension) + ", layer " +
                             std::to_string(id.layer) + ", step " +
                             std::to_string(written_in(id.layer, step)) + "\n";
    std::string text;
    for (std::uint64_t i = 0; i <= id.layer; ++i) {
        text += line;
    }
    return text;
}

/// The step of a snapshot. Throws Error{layer_not_found}.
inline std::uint64_t step_of(const strata::Snapshot& snapshot) {
    return snapshot.get(step_layer).as<std::uint64_t>();
}

/// Layers that are missing, too many or not what they should be at the snapshot's step.
inline std::uint64_t mismatches(const strata::Snapshot& snapshot) {
    const std::uint64_t step = step_of(snapshot);
    std::uint64_t wrong = 0;
    for (strata::Dimension dimension = 1; dimension <= dimensions; ++dimension) {
        std::uint64_t found = 0;
        for (const strata::Layer& layer : snapshot.dimension(dimension)) {
            ++found;
            const bool right = layer.id().layer < layers && layer.verify() &&
                               layer.text() == content(layer.id(), step);
            wrong += right ? 0 : 1;
        }
        wrong += found < layers ? layers - found : 0;
    }
    return wrong;
}

}  // namespace volume_example
