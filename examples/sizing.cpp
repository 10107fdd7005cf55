// SPDX-License-Identifier: Apache-2.0
// What layers cost: publishes some of each shape and says how much memory the store takes for one.
// With arguments for a shape of your own.
// usage: sizing [COUNT BYTES [STEP]]    STEP: between the layers' numbers (1: dense)
#include <cstdint>
#include <cstdlib>
#include <iomanip>
#include <iostream>
#include <string>
#include <vector>

#include <strata/strata.hpp>

namespace {

enum class Numbers : unsigned char { stepped, random, named };

struct Shape {
    const char* what = "";
    std::uint64_t count = 0;
    std::size_t bytes = 0;
    Numbers numbers = Numbers::stepped;
    std::uint64_t step = 1;
    std::uint64_t dimensions = 1;
    std::vector<std::string_view> keywords{};
};

strata::Producer make(std::uint64_t limit) {
    return strata::Producer::create("sizing", {.memory_limit = limit, .replace = true});
}

/// One batch, as a table that is loaded. Big ones are split: a batch is private memory, too.
void publish(strata::Producer& producer, const Shape& shape) {
    auto batch = producer.batch();
    const std::string content(shape.bytes, 'x');
    const strata::LayerOptions options{.keywords = shape.keywords};
    for (std::uint64_t i = 0; i < shape.count; ++i) {
        const auto dimension = static_cast<strata::Dimension>(1 + i % shape.dimensions);
        const std::uint64_t at = i / shape.dimensions;
        if (shape.numbers == Numbers::named) {
            batch.put(dimension, "name-" + std::to_string(at), content, options);
        } else {
            const std::uint64_t number =
                shape.numbers == Numbers::random ? (at + 1) * 0x9E3779B97F4A7C15U : at * shape.step;
            batch.put(strata::LayerId{dimension, number}, content, options);
        }
        if (batch.size() == 10'000) batch.crystallize();
    }
    batch.crystallize();
}

void measure(const Shape& shape) {
    auto producer = make(std::uint64_t{4} << 30);
    publish(producer, shape);
    producer.trim();
    const strata::ProducerStats stats = producer.stats();
    const auto a_layer = [&](std::uint64_t bytes) {
        return static_cast<double>(bytes) / static_cast<double>(shape.count);
    };
    std::cout << std::left << std::setw(34) << shape.what << std::right << std::setw(9)
              << shape.count << std::setw(9) << shape.bytes << std::fixed << std::setprecision(1)
              << std::setw(11) << a_layer(stats.live_bytes) << std::setw(11)
              << a_layer(stats.committed_bytes) << std::setw(9) << std::setprecision(2)
              << a_layer(stats.committed_bytes) / static_cast<double>(shape.bytes) << '\n';
}

/// The least limit with which a blob can be published so many times while the first is in use.
void measure_blob(std::size_t bytes) {
    auto producer = make(std::uint64_t{4} << 30);
    const Shape blob{.count = 1, .bytes = bytes};
    publish(producer, blob);
    const std::uint64_t one = producer.stats().committed_bytes;
    auto consumer = strata::Consumer::attach("sizing");
    const strata::Snapshot held = consumer.snapshot();
    publish(producer, blob);
    const std::uint64_t two = producer.stats().committed_bytes;
    std::cout << "a blob of " << (bytes >> 20) << " MiB: " << (one >> 10)
              << " KiB; with the version before it held by a reader: " << (two >> 10) << " KiB\n";
}

}  // namespace

int main(int argc, char** argv) try {
    const auto number = [&](int i) { return std::strtoull(argv[i], nullptr, 10); };
    if (argc == 2 || argc > 4 || (argc > 2 && (number(1) == 0 || number(2) == 0))) {
        std::cerr << "usage: sizing [COUNT BYTES [STEP]]\n";
        return 2;
    }
    std::cout << std::left << std::setw(34) << "SHAPE" << std::right << std::setw(9) << "LAYERS"
              << std::setw(9) << "PAYLOAD" << std::setw(11) << "LIVE" << std::setw(11) << "MEMORY"
              << std::setw(9) << "RATIO" << '\n';
    if (argc > 2) {
        measure({.what = "yours",
                 .count = number(1),
                 .bytes = number(2),
                 .step = argc > 3 ? number(3) : 1});
    } else {
        measure({.what = "dense numbers", .count = 100'000, .bytes = 8});
        measure({.what = "dense numbers", .count = 100'000, .bytes = 64});
        measure({.what = "dense numbers", .count = 100'000, .bytes = 256});
        measure({.what = "dense numbers", .count = 20'000, .bytes = 4096});
        measure({.what = "dense numbers", .count = 500, .bytes = 100'000});
        measure({.what = "every 4096th number", .count = 100'000, .bytes = 64, .step = 4096});
        measure(
            {.what = "random numbers", .count = 100'000, .bytes = 64, .numbers = Numbers::random});
        measure({.what = "names", .count = 100'000, .bytes = 64, .numbers = Numbers::named});
        measure({.what = "two keywords",
                 .count = 100'000,
                 .bytes = 64,
                 .keywords = {"keyword", "another"}});
        measure(
            {.what = "1000 dimensions of 100", .count = 100'000, .bytes = 64, .dimensions = 1000});
        measure_blob(64 << 20);
    }
    strata::remove_store("sizing");
} catch (const strata::Error& error) {
    std::cerr << error.what() << '\n';
    return 1;
}
