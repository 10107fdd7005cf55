// SPDX-License-Identifier: Apache-2.0
// Batches that write one number into many layers: a snapshot never shows two numbers.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t layers = 64;
constexpr Dimension dimensions = 3;
constexpr int reading_processes = 8;
constexpr Generation least_generations = scaled(20'000, 1'000);
constexpr std::chrono::seconds least_time{3};

constexpr LayerId id_of(std::uint64_t index) {
    return {static_cast<Dimension>(index % dimensions), index * 5};
}

// One number, many times, so that half-written payloads would show as well.
void write_number(Batch& batch, std::uint64_t index, std::uint64_t number) {
    std::array<std::uint64_t, 32> words{};
    words.fill(number);
    const std::size_t count = 1 + mixed(number + index) % words.size();
    batch.put(id_of(index), std::as_bytes(std::span(words).first(count)));
}

// Number of words that were compared; throws at the first one that is not `expected`.
std::uint64_t check_number(const Layer& layer, std::uint64_t expected) {
    STRATA_REQUIRE(layer);
    STRATA_REQUIRE(layer.size() >= 8);
    for (std::size_t at = 0; at < layer.size(); at += 8) {
        std::uint64_t word = 0;
        std::memcpy(&word, layer.data() + at, sizeof(word));
        STRATA_REQUIRE_EQ(word, expected);
    }
    return layer.size() / 8;
}

// Reads in three ways in turn: one by one, many at a time, and in order of the layers.
std::uint64_t check_snapshot(const Snapshot& snapshot, std::uint64_t way) {
    const std::uint64_t expected = snapshot.generation();
    std::uint64_t checks = 0;
    if (way % 3 == 0) {
        for (std::uint64_t index = 0; index < layers; ++index) {
            checks += check_number(snapshot.find(id_of(index)), expected);
        }
    } else if (way % 3 == 1) {
        std::array<LayerId, layers> ids;
        std::array<Layer, layers> found;
        for (std::uint64_t index = 0; index < layers; ++index) {
            ids[index] = id_of(index);
        }
        snapshot.find(ids, found);
        for (const Layer& layer : found) {
            checks += check_number(layer, expected);
        }
    } else {
        std::uint64_t count = 0;
        for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
            for (const Layer& layer : snapshot.dimension(dimension)) {
                checks += check_number(layer, expected);
                ++count;
            }
        }
        STRATA_REQUIRE_EQ(count, layers);
    }
    return checks;
}

// Half of the processes sleep until something was published, half read without a pause; each keeps
// one snapshot for a while.
void read(const TempStore& temp, const Channel& channel, bool sleeps) {
    Consumer consumer = temp.attach();
    channel.send(1);
    std::uint64_t snapshots = 0;
    std::uint64_t checks = 0;
    Generation seen = 1;
    Snapshot kept;
    while (snapshots % 16 != 0 || !channel.ready()) {
        if (sleeps) {
            (void)consumer.wait(seen, std::chrono::milliseconds(5));
        }
        const Snapshot snapshot = consumer.snapshot();
        STRATA_REQUIRE(snapshot.generation() >= seen);
        seen = snapshot.generation();
        checks += check_snapshot(snapshot, snapshots);
        if (snapshots % 64 == 0) {
            kept = snapshot;
        }
        checks += check_snapshot(kept, snapshots + 1);
        ++snapshots;
    }
    channel.send(snapshots);
    channel.send(checks);
}

}  // namespace

TEST_CASE("readers in eight processes never see two generations in one snapshot") {
    const TempStore temp;
    Producer producer = temp.create();
    const auto publish_next = [&] {
        Batch batch = producer.batch();
        for (std::uint64_t index = 0; index < layers; ++index) {
            write_number(batch, index, producer.generation() + 1);
        }
        batch.crystallize();
    };
    publish_next();
    std::vector<Child> children;
    for (int i = 0; i < reading_processes; ++i) {
        children.push_back(Child::start([&](const Channel& c) { read(temp, c, i % 2 == 0); }));
    }
    for (Child& child : children) {
        REQUIRE(child.receive() == 1);
    }
    const auto start = std::chrono::steady_clock::now();
    do {
        for (int i = 0; i < 100; ++i) {
            publish_next();
        }
    } while (producer.generation() < least_generations ||
             std::chrono::steady_clock::now() - start < least_time);

    std::uint64_t snapshots = 0;
    std::uint64_t checks = 0;
    for (Child& child : children) {
        child.send(0);
        const std::uint64_t own = child.receive();
        CHECK(own > 100);
        snapshots += own;
        checks += child.receive();
        CHECK(child.join() == "");
    }
    MESSAGE("generations: " << producer.generation() << ", snapshots: " << snapshots
                            << ", numbers compared: " << checks);
    const ProducerStats stats = producer.stats();
    CHECK(stats.epoch > 10);  // memory was reused while they read
    CHECK(stats.deallocations > stats.allocations / 2);
}
