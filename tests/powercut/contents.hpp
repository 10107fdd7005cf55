// SPDX-License-Identifier: Apache-2.0
// What the stores that lose their power hold: changes by lot, which a seed repeats, and the whole
// content of a snapshot to compare with.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

namespace strata::powercut {

using Contents = std::map<std::pair<Dimension, std::uint64_t>, std::string>;
using Random = std::mt19937_64;

inline constexpr Dimension own_dimension = 7;  ///< comes and goes, with a file of its own

/// The next generation: what it changes of `contents`, and the same in `batch`, if there is one.
inline void change(Batch* batch, Contents& contents, Random& random) {
    const auto changes = 1 + random() % 6;
    for (std::uint64_t i = 0; i < changes; ++i) {
        const auto dimension =
            static_cast<Dimension>(random() % 3 == 0 ? own_dimension : 1 + random() % 2);
        const std::uint64_t layer = random() % 24;
        if (dimension == own_dimension && !contents.contains({own_dimension, 1000})) {
            if (batch != nullptr) {
                batch->add_dimension(own_dimension, DimensionOptions{.own_region = true});
                batch->put({own_dimension, 1000}, "there");
            }
            contents[{own_dimension, 1000}] = "there";
        }
        if (random() % 5 == 0) {
            if (batch != nullptr) batch->erase({dimension, layer});
            contents.erase({dimension, layer});
        } else {
            const std::uint64_t seed = random();
            const std::string text = test::payload_of(seed, layer, random() % 700);
            if (batch != nullptr) batch->put({dimension, layer}, text);
            contents[{dimension, layer}] = text;
        }
    }
    if (random() % 12 == 0 && contents.contains({own_dimension, 1000})) {
        if (batch != nullptr) batch->remove_dimension(own_dimension);
        std::erase_if(contents,
                      [](const auto& layer) { return layer.first.first == own_dimension; });
    }
}

inline Contents contents_of(const Snapshot& snapshot) {
    Contents contents;
    for (const DimensionInfo& dimension : snapshot.dimensions()) {
        const auto layers = snapshot.dimension(dimension.dimension);
        for (auto it = layers.begin(); it != layers.end(); ++it) {
            const auto bytes = it->bytes();
            contents[{dimension.dimension, it.number()}] =
                std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        }
    }
    return contents;
}

inline void require(bool condition, const std::string& what) {
    if (!condition) throw std::runtime_error(what);
}

inline std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
    const char* const text = std::getenv(variable);
    return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

}  // namespace strata::powercut
