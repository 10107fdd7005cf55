// SPDX-License-Identifier: Apache-2.0
// volume_producer BASE STORE [STEPS]: goes on where the store stopped, STEPS steps (or for ever),
// each a generation that is durable before the next one begins.
#include <exception>
#include <iostream>
#include <limits>
#include <string>

#include "world.hpp"
#include <strata/strata.hpp>

namespace {

using namespace volume_example;

void write_layer(strata::Batch& batch, std::uint64_t layer, std::uint64_t step) {
    for (strata::Dimension dimension = 1; dimension <= dimensions; ++dimension) {
        batch.put({dimension, layer}, content({dimension, layer}, step));
    }
}

}  // namespace

int main(int argc, char** argv) try {
    if (argc < 3 || argc > 4) {
        std::cerr << "usage: volume_producer BASE STORE [STEPS]\n";
        return 2;
    }
    const std::uint64_t steps =
        argc > 3 ? std::stoull(argv[3]) : std::numeric_limits<std::uint64_t>::max();
    auto producer = strata::Producer::open_or_create(
        argv[2], {.base_path = argv[1],
                  .memory_limit = 16 << 20,
                  .region_max_bytes = 16 << 20,
                  .durability = {.policy = strata::DurabilityPolicy::each_commit}});
    auto consumer = strata::Consumer::attach(argv[2], {.base_path = argv[1]});
    strata::Batch batch = producer.batch();
    std::uint64_t step = 0;
    if (const strata::Snapshot now = consumer.snapshot(); now.find(step_layer)) {
        step = step_of(now);
    } else {
        for (std::uint64_t layer = 0; layer < layers; ++layer) {
            write_layer(batch, layer, step);
        }
        batch.put_value(step_layer, step);
        batch.crystallize();
    }
    std::cout << "produces from step " << step << std::endl;
    for (std::uint64_t i = 0; i < steps; ++i) {
        ++step;
        write_layer(batch, step % layers, step);
        batch.put_value(step_layer, step);
        batch.crystallize();
    }
    std::cout << "published step " << step << std::endl;
} catch (const std::exception& error) {
    std::cerr << "volume_producer: " << error.what() << '\n';
    return 1;
}
