// SPDX-License-Identifier: Apache-2.0
// Core dimensions in one call, and dimensions with sizes of their own.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

std::uint64_t file_size(const TempStore& store, const RegionStatistics& region) {
    return std::filesystem::file_size(
        store.file("region-" + std::to_string(region.serial) + ".mmap"));
}

}  // namespace

TEST_CASE("all core dimensions in one generation, in under 100 ms") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    const auto start = std::chrono::steady_clock::now();
    CHECK(producer.add_core_dimensions() == 2);
    const auto took = std::chrono::steady_clock::now() - start;
    CHECK(took <
          strata::test::scaled(std::chrono::milliseconds(100), std::chrono::milliseconds(2'000)));
    Consumer consumer = store.attach();
    const auto dimensions = consumer.snapshot().dimensions();
    REQUIRE(dimensions.size() == 14);
    for (std::size_t i = 0; i < 14; ++i) {
        CHECK(dimensions[i].dimension == i + 1);
        CHECK(dimensions[i].name == core_dimension_names[i]);
        CHECK(dimensions[i].layers == 0);
    }
    CHECK(store.region_files() == 14);
}

TEST_CASE("core dimensions that are there keep their names and layers") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    batch.add_dimension(3, "Purpose");
    batch.put({5, 1}, "now");
    batch.crystallize();
    const Generation added = producer.add_core_dimensions();
    CHECK(added == 3);
    CHECK(producer.add_core_dimensions() == added);  // nothing new: no generation
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.dimension_count() == 14);
    CHECK(snapshot.dimensions()[2].name == "Purpose");
    CHECK(snapshot.get({5, 1}).text() == "now");
}

TEST_CASE("one dimension on demand, and with what consumers map") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    CHECK(producer.add_dimension(7) == 2);
    CHECK(producer.add_dimension(7) == 2);
    CHECK(producer.add_dimension(20, {.name = "Dreams"}) == 3);
    Consumer consumer = store.attach();
    CHECK(consumer.snapshot().dimensions()[0].name == "D7");
    CHECK(consumer.snapshot().dimensions()[1].name == "Dreams");
}

TEST_CASE("a store with all core dimensions is opened, and attached to, in a moment") {
    const TempStore store(TempStore::Regions::own);
    { store.create().add_core_dimensions(); }
    const auto start = std::chrono::steady_clock::now();
    Producer producer = store.open();
    CHECK(producer.add_core_dimensions() == 2);
    CHECK(store.attach().snapshot().dimension_count() == 14);
    CHECK(std::chrono::steady_clock::now() - start <
          strata::test::scaled(std::chrono::milliseconds(100), std::chrono::milliseconds(2'000)));
}

TEST_CASE("a consumer maps a region when it first touches it, not before") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    producer.add_core_dimensions();
    publish(producer, {3, 1}, "three");
    publish(producer, {5, 1}, "five");
    // In a process of its own, where the producer has nothing mapped.
    strata::test::Child child = strata::test::Child::start([&](const strata::test::Channel&) {
        const auto mapped = [] {
            std::ifstream maps("/proc/self/maps");
            std::string names;
            for (std::string line; std::getline(maps, line);) {
                const std::size_t at = line.find("region-");
                names += at != std::string::npos ? line.substr(at, 8) : "";
            }
            return names;
        };
        Consumer consumer = store.attach();
        const Snapshot snapshot = consumer.snapshot();
        STRATA_REQUIRE_EQ(snapshot.dimensions().size(), std::size_t{14});
        STRATA_REQUIRE_EQ(snapshot.layer_count(), std::uint64_t{2});
        STRATA_REQUIRE_EQ(mapped(), "");
        STRATA_REQUIRE(snapshot.get({3, 1}).text() == "three");
        STRATA_REQUIRE_EQ(mapped(), "region-3");
        STRATA_REQUIRE(!snapshot.find({20, 1}));  // there is no such dimension
        STRATA_REQUIRE_EQ(mapped(), "region-3");
        STRATA_REQUIRE(snapshot.get({5, 1}).text() == "five");
        STRATA_REQUIRE(mapped().find("region-5") != std::string::npos);
    });
    CHECK(child.join() == "");
}

TEST_CASE("a dimension starts with its initial size and ends at its maximum") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    producer.add_dimension(1, {.initial_bytes = 1'000'000, .max_bytes = 2_MiB});
    StoreStatistics s = statistics(producer);
    CHECK(file_size(store, s.regions.at(0)) == 1'003'520);  // whole pages
    CHECK(s.regions[0].max_bytes == 2_MiB);
    CHECK(store.allocated_bytes() == producer.stats().committed_bytes);

    std::uint64_t count = 0;
    std::string code;
    for (; code.empty() || code == "no error"; ++count) {
        code = code_of([&] { publish(producer, {1, count}, payload_of(count, 0, 100'000)); });
    }
    CHECK(code == "limit_exceeded");
    CHECK(count >= 18);
    s = statistics(producer);
    CHECK(file_size(store, s.regions[0]) <= 2_MiB);
    publish(producer, {2, 1}, payload_of(2, 0, 3'000'000));  // another one has room
    CHECK(code_of([&] {
              publish(producer, {1, 1}, payload_of(1, 1, 3'000'000));
          }) == "layer_too_large");

    // The next producer and consumers know it too.
    { const Producer gone = std::move(producer); }
    Producer next = store.open();
    CHECK(statistics(next).regions.at(0).max_bytes == 2_MiB);
    CHECK(statistics(next).regions.at(1).max_bytes == TempStore::region_max_bytes);
    Consumer consumer = store.attach();
    CHECK(consumer.snapshot().get({1, 3}).text() == payload_of(3, 0, 100'000));
}

TEST_CASE("sizes that cannot be are refused, and so is another size for what is there") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    const auto add = [&](const DimensionOptions& options) {
        return code_of([&] { producer.add_dimension(1, options); });
    };
    CHECK(add({.max_bytes = 4096}) == "invalid_argument");
    CHECK(add({.max_bytes = 1_MiB + 1}) == "invalid_argument");
    CHECK(add({.max_bytes = 2 * TempStore::region_max_bytes}) == "invalid_argument");
    CHECK(add({.initial_bytes = 1_GiB}) == "limit_exceeded");
    CHECK(store.attach().snapshot().dimension_count() == 0);
    CHECK(store.region_files() == 0);
    CHECK(add({.max_bytes = 1_MiB}) == "no error");
    CHECK(add({.max_bytes = 1_MiB}) == "no error");
    CHECK(add({.max_bytes = 2_MiB}) == "dimension_exists");
    Batch batch = producer.batch();
    batch.remove_dimension(1);
    batch.add_dimension(1, {.max_bytes = 2_MiB});
    batch.crystallize();
    CHECK(statistics(producer).regions.at(0).max_bytes == 2_MiB);

    ProducerOptions options = store.producer_options();
    options.region_initial_bytes = 2 * options.region_max_bytes;
    CHECK(code_of([&] { (void)Producer::create("other", options); }) == "invalid_argument");
}
