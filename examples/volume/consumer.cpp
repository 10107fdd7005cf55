// SPDX-License-Identifier: Apache-2.0
// volume_consumer BASE STORE STEPS: compares every layer of each generation that it sees, waits for
// the store and for producers that come and go, and ends after STEPS different steps. With STEPS 0:
// compares the newest generation alone and names its step.
#include <chrono>
#include <exception>
#include <iostream>
#include <string>

#include "world.hpp"
#include <strata/strata.hpp>

int main(int argc, char** argv) try {
    using namespace std::chrono_literals;
    using namespace volume_example;
    if (argc != 4) {
        std::cerr << "usage: volume_consumer BASE STORE STEPS\n";
        return 2;
    }
    const std::uint64_t wanted = std::stoull(argv[3]);
    auto consumer = strata::Consumer::attach(
        argv[2], {.base_path = argv[1], .wait_for_store = wanted == 0 ? 0ms : 60s});
    std::uint64_t wrong = 0;
    std::uint64_t step = 0;
    std::uint64_t seen = 0;
    for (;;) {
        const strata::Snapshot now = consumer.snapshot();
        if (now.find(step_layer)) {
            seen += step_of(now) != step ? 1 : 0;
            step = step_of(now);
            wrong += mismatches(now);
        } else if (wanted == 0) {
            std::cerr << "volume_consumer: the store has no step\n";
            return 1;
        }
        if (seen >= wanted) {
            break;
        }
        if (consumer.wait(now.generation(), {.timeout = 60s, .wait_for_producer = true}) !=
            strata::WaitResult::changed) {
            std::cerr << "volume_consumer: nothing new for a minute\n";
            return 1;
        }
    }
    std::cout << "step " << step << ", " << wrong << " mismatches" << std::endl;
    return wrong == 0 ? 0 : 1;
} catch (const std::exception& error) {
    std::cerr << "volume_consumer: " << error.what() << '\n';
    return 1;
}
