// SPDX-License-Identifier: Apache-2.0
// A store that a few large layers fill, so that old snapshots are in the way of new commits.
#pragma once

#include <cstddef>
#include <cstdint>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

namespace strata::test {

inline constexpr std::size_t layer_bytes = 20'000;

inline ProducerOptions small_options(const TempStore& store) {
    ProducerOptions options = store.producer_options();
    options.memory_limit = 4_MiB;
    return options;
}

inline void fill_dimension(Producer& producer, Dimension dimension, std::uint64_t layers,
                           std::uint64_t version) {
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({dimension, i}, payload_of(i, version, layer_bytes));
    }
    batch.crystallize();
}

inline void check_dimension(const Snapshot& snapshot, Dimension dimension, std::uint64_t layers,
                            std::uint64_t version) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        const Layer layer = snapshot.find({dimension, i});
        REQUIRE(layer);
        CHECK(layer.text() == payload_of(i, version, layer_bytes));
        CHECK(layer.verify());
    }
}

}  // namespace strata::test
