// SPDX-License-Identifier: Apache-2.0
// strata_instructions OPERATION LAYERS REPEATS BASE_DIRECTORY: does one operation many times inside
// the function `measured`, for callgrind to count:
//   valgrind --tool=callgrind --toggle-collect='measured*' strata_instructions find 10000 1000 DIR
// Hardware counters are not to be had on most virtual machines; instruction counts do not depend on
// who else is busy.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <string>

#include "bench/harness/workload.hpp"
#include "bench/peers/strata_store.hpp"

using namespace strata::bench;

namespace {

std::vector<std::byte> payload(256);
std::uint64_t sink = 0;

}  // namespace

// Outside of the anonymous namespace and never inlined: callgrind knows it by name.
[[gnu::noinline]] void measured_find(const strata::Snapshot& snapshot, std::uint64_t layers,
                                     std::uint64_t repeats) {
    for (std::uint64_t i = 0; i < repeats; ++i) {
        sink += words_of(snapshot.find({StrataStore::dimension, reduce(mix(i), layers)}).bytes());
    }
}

[[gnu::noinline]] void measured_snapshot(strata::Consumer& consumer, std::uint64_t repeats) {
    for (std::uint64_t i = 0; i < repeats; ++i) {
        sink += consumer.snapshot().generation();
    }
}

[[gnu::noinline]] void measured_commit(strata::Batch& batch, std::uint64_t layers,
                                       std::uint64_t repeats) {
    for (std::uint64_t i = 0; i < repeats; ++i) {
        batch.put({StrataStore::dimension, reduce(mix(i), layers)}, payload);
        batch.crystallize();
    }
}

// One layer of a batch of 1000.
[[gnu::noinline]] void measured_batch(strata::Batch& batch, std::uint64_t layers,
                                      std::uint64_t repeats) {
    for (std::uint64_t i = 1; i <= repeats; ++i) {
        batch.put({StrataStore::dimension, reduce(mix(i), layers)}, payload);
        if (i % 1000 == 0) {
            batch.crystallize();
        }
    }
}

// What the loop costs by itself, to be subtracted.
[[gnu::noinline]] void measured_nothing(std::uint64_t layers, std::uint64_t repeats) {
    for (std::uint64_t i = 0; i < repeats; ++i) {
        sink += words_of({payload.data() + reduce(mix(i), layers) % 8, 16});
    }
}

int main(int argc, char** argv) try {
    if (argc != 5) {
        std::fprintf(stderr,
                     "usage: strata_instructions find|snapshot|commit|batch|nothing LAYERS "
                     "REPEATS BASE_DIRECTORY\n");
        return 2;
    }
    const std::string operation = argv[1];
    const std::uint64_t layers = std::strtoull(argv[2], nullptr, 10);
    const std::uint64_t repeats = std::strtoull(argv[3], nullptr, 10);
    const std::filesystem::path base = argv[4];
    if (operation == "nothing") {
        measured_nothing(layers, repeats);
        return 0;
    }
    StrataStore store(base, {layers, payload.size()});
    strata::Snapshot snapshot = store.consumer().snapshot();
    sink += snapshot.find({StrataStore::dimension, 0}).size();
    if (operation == "find") {
        measured_find(snapshot, layers, repeats);
    } else if (operation == "snapshot") {
        measured_snapshot(store.consumer(), repeats);
    } else {
        snapshot = {};
        strata::Batch batch = store.producer().batch();
        if (operation == "batch") {
            measured_batch(batch, layers, repeats);
        } else {
            measured_commit(batch, layers, repeats);
        }
    }
    std::printf("%llu\n", static_cast<unsigned long long>(sink));
    return 0;
} catch (const std::exception& error) {
    std::fprintf(stderr, "strata_instructions: %s\n", error.what());
    return 1;
}
