// SPDX-License-Identifier: Apache-2.0
// Publishes three layers in two dimensions, then a new version of one of them every second.
#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include <strata/strata.hpp>

int main() try {
    auto producer = strata::Producer::open_or_create("hello");
    auto batch = producer.batch();
    batch.put({1, 5}, "joy", {.frequency = 1.5, .keywords = {"emotion", "feeling"}});
    batch.put({1, 6}, "calm");
    batch.put({4, 1}, "a handshake");
    std::cout << "published generation " << batch.crystallize() << std::endl;
    for (int second = 1; second <= 10; ++second) {
        std::this_thread::sleep_for(std::chrono::seconds(1));
        batch.put({1, 5}, "joy, for " + std::to_string(second) + " s", {.frequency = 1.5});
        std::cout << "published generation " << batch.crystallize() << std::endl;
    }
} catch (const strata::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
