// SPDX-License-Identifier: Apache-2.0
// A dimension moves to a region file of its own and back, and nobody who reads it notices.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t layers = 60;
constexpr DimensionOptions own{.own_region = true};

/// Three dimensions; layers of very different sizes, some with a name and keywords.
void fill(Producer& producer) {
    Batch batch = producer.batch();
    for (Dimension dimension = 1; dimension <= 3; ++dimension) {
        batch.add_dimension(dimension, {.name = dimension == 2 ? "two" : ""});
        for (std::uint64_t i = 0; i < layers; ++i) {
            batch.put({dimension, i * i}, payload_of(i, dimension, i % 7 == 0 ? 20'000 : 30 * i),
                      {.frequency = static_cast<double>(i), .keywords = {"k" + std::to_string(i)}});
        }
    }
    batch.crystallize();
}

std::string mismatch(const Snapshot& snapshot) {
    for (Dimension dimension = 1; dimension <= 3; ++dimension) {
        for (std::uint64_t i = 0; i < layers; ++i) {
            const Layer layer = snapshot.find({dimension, i * i});
            if (!layer || !layer.verify() || layer.frequency() != static_cast<double>(i) ||
                layer.text() != payload_of(i, dimension, i % 7 == 0 ? 20'000 : 30 * i)) {
                return std::to_string(dimension) + "/" + std::to_string(i * i);
            }
        }
    }
    return "";
}

/// The region that the dimension lies in.
RegionStatistics region_of(const Producer& producer, Dimension dimension) {
    const StoreStatistics s = statistics(producer);
    for (const DimensionStatistics& of : s.dimension_list) {
        for (const RegionStatistics& region : s.regions) {
            if (of.dimension == dimension && of.serial == region.serial) {
                return region;
            }
        }
    }
    return {};
}

std::filesystem::path file_of(const TempStore& store, const RegionStatistics& region) {
    return store.file("region-" + std::to_string(region.serial) + ".mmap");
}

}  // namespace

TEST_CASE("a dimension moves to a file of its own and back; snapshots before and after are alike") {
    const TempStore store;
    Producer producer = store.create();
    fill(producer);
    Consumer consumer = store.attach();
    std::optional<Snapshot> before = consumer.snapshot();
    REQUIRE(mismatch(*before) == "");
    REQUIRE_FALSE(region_of(producer, 2).owner);
    REQUIRE(store.region_files() == 1);

    const Generation moved = producer.move_dimension(2, own);
    CHECK(moved == before->generation() + 1);
    CHECK(region_of(producer, 2).owner == 2);
    CHECK_FALSE(region_of(producer, 1).owner);
    CHECK(store.region_files() == 2);
    std::optional<Snapshot> between = consumer.snapshot();
    CHECK(between->generation() == moved);
    CHECK(mismatch(*between) == "");
    CHECK(mismatch(*before) == "");
    CHECK(changes(*before, *between).empty());
    CHECK(between->find({2, 4}).generation() == before->find({2, 4}).generation());
    CHECK(between->digest() == before->digest());
    CHECK(verify(*between).ok());

    CHECK(producer.move_dimension(2, {}) == moved + 1);
    CHECK_FALSE(region_of(producer, 2).owner);
    CHECK(mismatch(consumer.snapshot()) == "");
    CHECK(mismatch(*between) == "");
    CHECK(store.region_files() == 2);  // `between` needs it
    between.reset();
    before.reset();
    CHECK(mismatch(consumer.snapshot()) == "");
    producer.reclaim();
    CHECK(store.region_files() == 1);
    CHECK(verify(consumer.snapshot()).ok());
}

TEST_CASE("where it is already it stays, unless it is to have another file of its own") {
    const TempStore store;
    Producer producer = store.create();
    fill(producer);
    const Generation generation = producer.generation();
    CHECK(producer.move_dimension(2, {}) == generation);
    producer.move_dimension(2, {.max_bytes = 4_MiB, .access = FileAccess{.mode = 0600}});
    RegionStatistics region = region_of(producer, 2);
    CHECK(region.max_bytes == 4_MiB);
    struct stat status {};
    REQUIRE(::stat(file_of(store, region).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    // Larger; its readers stay the same.
    producer.move_dimension(2, {.max_bytes = 8_MiB});
    CHECK(region_of(producer, 2).max_bytes == 8_MiB);
    CHECK(region_of(producer, 2).serial != region.serial);
    region = region_of(producer, 2);
    REQUIRE(::stat(file_of(store, region).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    // The shared file is open to others.
    const Generation before = producer.generation();
    CHECK(code_of([&] { producer.move_dimension(2, {}); }) == "invalid_argument");
    CHECK(producer.generation() == before);
    producer.move_dimension(2, {.access = FileAccess{}});
    producer.move_dimension(2, {});
    CHECK_FALSE(region_of(producer, 2).owner);
    CHECK(mismatch(store.attach().snapshot()) == "");
}

TEST_CASE("a move that is refused leaves the dimension where it was, and nothing behind") {
    const TempStore store;
    Producer producer = store.create();
    fill(producer);
    const Generation generation = producer.generation();
    producer.trim();
    const std::uint64_t used = producer.stats().committed_bytes;
    CHECK(code_of([&] { producer.move_dimension(9, own); }) == "dimension_not_found");
    CHECK(code_of([&] { producer.move_dimension(2, {.name = "x"}); }) == "invalid_argument");
    CHECK(code_of([&] { producer.move_dimension(2, {.max_bytes = 1}); }) == "invalid_argument");
    const auto small = error_of([&] { producer.move_dimension(2, {.max_bytes = 100 << 10}); });
    REQUIRE(small);
    CHECK(small->code() == Errc::limit_exceeded);
    CHECK(small->limit() == 100 << 10);
    producer.set_memory_limit(used + 100'000);
    const auto full = error_of([&] { producer.move_dimension(2, own); });
    REQUIRE(full);
    CHECK(full->code() == Errc::limit_exceeded);
    CHECK(full->limit() == used + 100'000);
    CHECK(full->needed() > 100'000);
    CHECK(producer.generation() == generation);
    CHECK(store.region_files() == 1);
    CHECK(mismatch(store.attach().snapshot()) == "");
    CHECK(producer.stats().committed_bytes <= producer.memory_limit());
    producer.set_memory_limit(64_MiB);
    CHECK(producer.move_dimension(2, own) == generation + 1);
    CHECK(mismatch(store.attach().snapshot()) == "");
}

TEST_CASE("batches that were begun before follow the dimension that moves, there and back") {
    const TempStore store;
    Producer producer = store.create();
    fill(producer);
    Batch batch = producer.batch();
    batch.put({2, 1'000'000}, "new");
    batch.erase({2, 1'000'001});
    producer.move_dimension(2, own);
    batch.put({2, 1'000'002}, "newer");
    producer.move_dimension(2, {});
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(mismatch(snapshot) == "");
    CHECK(snapshot.find({2, 1'000'000}).text() == "new");
    CHECK(snapshot.find({2, 1'000'002}).text() == "newer");
    CHECK(verify(snapshot).ok());
}

TEST_CASE("a dimension moves to and fro while threads read it and others are written") {
    const TempStore store;
    Producer producer = store.create();
    fill(producer);
    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> wrong{0};
    std::atomic<std::uint64_t> checked{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            Consumer consumer = store.attach();
            Snapshot kept = consumer.snapshot();
            while (!done) {
                const Snapshot snapshot = consumer.snapshot();
                if (!mismatch(snapshot).empty() || !mismatch(kept).empty()) {
                    ++wrong;
                }
                if (++checked % 3 == 0) {
                    kept = snapshot;
                }
            }
        });
    }
    threads.emplace_back([&] {
        for (std::uint64_t i = 0; !done; ++i) {
            Batch batch = producer.batch();
            batch.put({2, 2'000'000 + i % 10}, payload_of(i, 2, 300));
            batch.put({4, i % 10}, payload_of(i, 4, 300));
            batch.crystallize();
        }
    });
    for (int i = 0; i < scaled(40, 10) || checked < 20; ++i) {
        producer.move_dimension(2, i % 2 == 0 ? own : DimensionOptions{});
    }
    done = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(verify(store.attach().snapshot()).ok());
    producer.reclaim();
    CHECK(producer.stats().limbo_bytes == 0);
}

TEST_CASE(
    "a producer killed while it moves a dimension leaves it whole, in one file or the other") {
    const TempStore store;
    {
        Producer producer = store.create();
        fill(producer);
    }
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;  // which would keep a file until its thread is asked
    Consumer consumer = Consumer::attach(store.name(), options);
    for (int round = 0; round < scaled(20, 5); ++round) {
        CAPTURE(round);
        Child child = Child::start([&](const Channel& channel) {
            Producer producer = store.open();
            channel.send(1);
            for (int i = round;; ++i) {
                producer.move_dimension(2, i % 2 == 0 ? own : DimensionOptions{});
            }
        });
        REQUIRE(child.receive() == 1);
        // The moment of a kill: nothing waits for anything here.
        std::this_thread::sleep_for(std::chrono::microseconds(round * 977 % 4000));
        REQUIRE(child.kill_and_join() == "");
        CHECK(mismatch(consumer.snapshot()) == "");
    }
    Producer producer = store.open();
    CHECK(verify(store.attach().snapshot()).ok());
    producer.move_dimension(2, {});
    producer.reclaim();
    CHECK(store.region_files() == 1);  // no file of a move that was cut short
    CHECK(mismatch(consumer.snapshot()) == "");
}
