// SPDX-License-Identifier: Apache-2.0
// What stores and files hold, as text that can be compared.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <strata/strata.hpp>

namespace strata::test {

inline std::string content_of(const std::filesystem::path& file) {
    std::ifstream in(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Everything that a snapshot holds.
inline std::string all_of(const Snapshot& snapshot) {
    std::string text;
    for (const DimensionInfo& info : snapshot.dimensions()) {
        text += "dimension " + std::to_string(info.dimension) + " " + info.name + "\n";
        for (const Layer& layer : snapshot.dimension(info.dimension)) {
            text += std::to_string(layer.id().layer) + " " + std::string(layer.name()) + " " +
                    std::to_string(layer.frequency()) + " " + std::to_string(layer.type_tag());
            for (const std::string_view keyword : layer.keywords()) {
                text += " [" + std::string(keyword) + "]";
            }
            text += ": " + std::string(layer.text()) + "\n";
        }
    }
    return text;
}

inline std::size_t entries(const std::filesystem::path& directory) {
    return static_cast<std::size_t>(
        std::distance(std::filesystem::directory_iterator(directory), {}));
}

}  // namespace strata::test
