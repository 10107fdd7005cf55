// SPDX-License-Identifier: Apache-2.0
// A user's whole program: publishes one layer and reads it back. argv[1] is the base path.
#include <cstdio>

#include <strata/strata.hpp>
#include <strata/version.hpp>

int main(int argc, char** argv) {
    if (argc != 2) return 2;
    auto producer =
        strata::Producer::create("hello", {.base_path = argv[1], .region_max_bytes = 1 << 20});
    auto batch = producer.batch();
    batch.put({1, 5}, "hello");
    batch.crystallize();

    auto consumer = strata::Consumer::attach("hello", {.base_path = argv[1]});
    const auto snapshot = consumer.snapshot();
    if (snapshot.get({1, 5}).text() != "hello") return 1;
    std::printf("read back with strata %s\n", strata::version_string);
}
