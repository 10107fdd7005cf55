// SPDX-License-Identifier: Apache-2.0
// Layers whose content says which version they are of: a mixture of two, or reused memory, shows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

namespace strata::test {

inline constexpr std::uint64_t layers = 20;
inline constexpr std::size_t layer_bytes = 700;

inline Generation publish_all(Producer& producer, std::uint64_t version) {
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({1, i}, payload_of(i, version, layer_bytes));
    }
    return batch.crystallize();
}

/// Uses again every byte that no pin protects, several times.
inline void churn(Producer& producer, std::uint64_t first_version) {
    for (std::uint64_t version = first_version; version < first_version + 12; ++version) {
        publish_all(producer, version);
        producer.reclaim();
    }
}

/// Empty if the snapshot has version `version` of all layers.
inline std::string mismatch(const Snapshot& snapshot, std::uint64_t version) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        const Layer layer = snapshot.find({1, i});
        if (!layer || layer.text() != payload_of(i, version, layer_bytes) || !layer.verify()) {
            return "layer " + std::to_string(i);
        }
    }
    return "";
}

}  // namespace strata::test
