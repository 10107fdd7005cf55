// SPDX-License-Identifier: Apache-2.0
// Versions of a store that are known from their number, and bookmarks that lead to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

namespace strata::test {

inline constexpr std::uint64_t layers = 40;
inline constexpr std::size_t layer_bytes = 3000;
inline constexpr std::uint64_t bytes_of_all = layers * layer_bytes;

/// Layer i of dimension 1 is a function of `version`; dimension 2 says which version it is.
inline void put_version(Batch& batch, std::uint64_t version) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({1, i}, payload_of(i, version, layer_bytes));
    }
    batch.put({2, 0}, std::to_string(version), {.keywords = {"version"}});
}

inline Generation publish_version(Producer& producer, std::uint64_t version) {
    Batch batch = producer.batch();
    put_version(batch, version);
    return batch.crystallize();
}

/// Uses whatever is free, several times over.
inline void churn(Producer& producer, std::uint64_t first, std::uint64_t rounds = 12) {
    for (std::uint64_t version = first; version < first + rounds; ++version) {
        publish_version(producer, version);
        producer.reclaim();
    }
}

/// Empty if the snapshot is this version, whole.
inline std::string mismatch(const Snapshot& snapshot, std::uint64_t version) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        const Layer layer = snapshot.find({1, i});
        if (!layer || layer.text() != payload_of(i, version, layer_bytes)) {
            return "layer " + std::to_string(i);
        }
    }
    if (snapshot.get({2, 0}).text() != std::to_string(version)) return "version";
    return verify(snapshot).ok() ? "" : "it cannot be verified";
}

inline std::string named_version(Consumer& consumer, std::string_view name, std::uint64_t version) {
    return mismatch(consumer.snapshot_at(name), version);
}

/// Without a pin that outlives its snapshots: what is held is what the test holds.
inline Consumer attach(const TempStore& store) {
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    return Consumer::attach(store.name(), options);
}

inline std::uint64_t held_bytes(Producer& producer) {
    producer.reclaim();
    return producer.stats().limbo_bytes;
}

inline std::filesystem::path file_of(const TempStore& store) { return store.file("bookmarks"); }

}  // namespace strata::test
