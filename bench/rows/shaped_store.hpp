// SPDX-License-Identifier: Apache-2.0
// Stores in other shapes than one dense dimension: many dimensions, numbers in steps, random
// numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "bench/harness/workload.hpp"
#include "bench/peers/strata_store.hpp"
#include <strata/strata.hpp>

namespace strata::bench {

/// How keys are spread over dimensions and numbers.
struct Shape {
    const char* name;
    std::uint64_t dimensions;
    std::uint64_t layers;      // of each
    std::uint32_t step = 1;    // between dimensions' numbers
    bool random = false;       // layer numbers
    double most_of_array = 0;  // budget of find; 0: none
    /// For ids without a division, which would cost more than some look-ups. Exact for less than
    /// 2^22 layers in all (Granlund and Montgomery, PLDI 1994).
    std::uint64_t reciprocal = (std::uint64_t{1} << 44) / layers + 1;

    std::uint64_t size() const noexcept { return dimensions * layers; }
    LayerId id(std::uint64_t key) const noexcept {
        const std::uint64_t dimension = key * reciprocal >> 44;
        return {static_cast<Dimension>(dimension) * step + 1,
                random ? mix(key) : key - dimension * layers};
    }
};

inline constexpr Shape shapes[] = {
    {"10x28", 10, 28, 1, false, 2.5},
    {"100x100", 100, 100, 1, false, 2.5},
    {"100x100/step4096", 100, 100, 4096, false, 2.5},
    {"5000x200", 5000, 200, 1, false, 2.5},
    {"5000x200/step4096", 5000, 200, 4096, false, 2.5},
    {"10000/random", 1, 10'000, 1, true},
    {"1000000/random", 1, 1'000'000, 1, true},
};

/// A store that holds a data set of 256-byte layers in a shape, its producer, and a consumer.
class ShapedStore {
public:
    static constexpr const char* name = "shape";

    ShapedStore(const std::filesystem::path& base, const Shape& shape)
        : shape_(shape),
          options_({.base_path = base,
                    .memory_limit = std::uint64_t{4} << 30,
                    .region_max_bytes = std::uint64_t{1} << 30}),
          producer_(Producer::create(name, options_)),
          consumer_(Consumer::attach(name, consumer_options(base))) {
        Batch batch = producer_->batch();
        for (std::uint64_t key = 0; key < shape.size(); ++key) {
            put(batch, key, 1);
            if (key % 50'000 == 49'999) {
                batch.crystallize();
            }
        }
        batch.crystallize();
    }

    void put(Batch& batch, std::uint64_t key, std::uint64_t version) {
        fill_payload(key, version, payload_);
        batch.put(shape_.id(key), payload_);
    }
    Producer& producer() noexcept { return *producer_; }
    /// Its producer ends, and another one takes over.
    void close_producer() { producer_.reset(); }
    void open_producer() { producer_ = Producer::open(name, options_); }
    Consumer& consumer() noexcept { return consumer_; }
    /// A snapshot in which all lists are.
    Snapshot settled() {
        const Snapshot snapshot = consumer_.snapshot();
        for (int round = 0; round < 2; ++round) {
            for (std::uint64_t key = 0; key < shape_.size(); ++key) {
                static_cast<void>(snapshot.find(shape_.id(key)));
            }
        }
        return snapshot;
    }

private:
    const Shape& shape_;
    std::vector<std::byte> payload_ = std::vector<std::byte>(256);
    ProducerOptions options_;
    std::optional<Producer> producer_;
    Consumer consumer_;
};

}  // namespace strata::bench
