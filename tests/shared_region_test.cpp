// SPDX-License-Identifier: Apache-2.0
// Dimensions that share a region file: many of them, their coming and going, restarts, a full
// region, and what a dimension with a file of its own is spared.
#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::ControlEditor;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

ConsumerOptions without_idle_pin(const TempStore& store) {
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    return options;
}

Dimension numbered(std::uint64_t i) { return static_cast<Dimension>(i * 4096 + i % 7); }

}  // namespace

TEST_CASE("ten thousand dimensions with default options lie in one file, over restarts") {
    const TempStore store;
    constexpr std::uint64_t many = 10'000;
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        for (std::uint64_t i = many; i-- > 0;) {
            batch.put({numbered(i), i}, payload_of(i, 1, 20));
        }
        batch.crystallize();
        publish(producer, {numbered(77), 1}, "one more");
        CHECK(store.region_files() == 1);
        CHECK(producer.stats().dimensions == many);
        CHECK(producer.stats().committed_bytes < 8_MiB);
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    }
    Producer producer = store.open();
    CHECK(store.region_files() == 1);
    publish(producer, {numbered(78), 1}, "and another");
    CHECK(store.region_files() == 1);
    const Snapshot snapshot = store.attach().snapshot();
    for (std::uint64_t i = 0; i < many; ++i) {
        REQUIRE(snapshot.get({numbered(i), i}).text() == payload_of(i, 1, 20));
    }
    CHECK(snapshot.get({numbered(77), 1}).text() == "one more");
    CHECK(snapshot.get({numbered(78), 1}).text() == "and another");
    CHECK(verify(snapshot).ok());
    const StoreStatistics s = statistics(producer);
    REQUIRE(s.regions.size() == 1);
    CHECK_FALSE(s.regions[0].owner);
    CHECK(s.regions[0].dimensions == many);
    CHECK(s.dimension_list.size() == many);
}

TEST_CASE("dimensions that asked for it have a file of their own, and so have core dimensions") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {100, 1}, "shared");
    producer.add_dimension(101, {.own_region = true});
    producer.add_dimension(102, {.max_bytes = 1_MiB});
    producer.add_dimension(103, {.access = FileAccess{.mode = 0600}});
    CHECK(store.region_files() == 4);
    producer.add_core_dimensions();
    CHECK(store.region_files() == 18);
    publish(producer, {104, 1}, "shared");
    CHECK(store.region_files() == 18);
}

TEST_CASE("a removed dimension's blocks come back, those of its neighbours stay") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < 400; ++i) {
        batch.put({1, i}, payload_of(i, 1, 5000));
        batch.put({2, i}, payload_of(i, 2, 500));
    }
    batch.crystallize();
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    std::optional<Snapshot> held = consumer.snapshot();
    const std::uint64_t live = producer.stats().live_bytes;
    batch.remove_dimension(1);
    batch.crystallize();
    CHECK(producer.stats().live_bytes + 2'000'000 < live);
    producer.reclaim();
    for (std::uint64_t i = 0; i < 400; ++i) {  // what is free would be used
        publish(producer, {3, i}, payload_of(i, 3, 5000));
        REQUIRE(held->get({1, i}).text() == payload_of(i, 1, 5000));
    }
    CHECK(verify(*held).ok());
    held.reset();
    producer.trim();
    const ProducerStats stats = producer.stats();
    CHECK(stats.limbo_bytes == 0);
    CHECK(stats.committed_bytes == store.allocated_bytes());
    CHECK(stats.committed_bytes < stats.live_bytes * 14 / 10 + 256_KiB);
    const Snapshot snapshot = consumer.snapshot();
    CHECK_FALSE(snapshot.has_dimension(1));
    for (std::uint64_t i = 0; i < 400; ++i) {
        REQUIRE(snapshot.get({2, i}).text() == payload_of(i, 2, 500));
    }
}

TEST_CASE("a dimension that is removed and added in one batch starts anew in the same file") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "old");
    publish(producer, {2, 1}, "neighbour");
    Batch late = producer.batch();
    late.put({1, 5}, "late");
    Batch batch = producer.batch();
    batch.remove_dimension(1);
    batch.put({1, 2}, "new");
    batch.crystallize();
    CHECK(code_of([&] { late.crystallize(); }) == "dimension_not_found");
    late.clear();
    const Snapshot snapshot = store.attach().snapshot();
    CHECK_FALSE(snapshot.find({1, 1}));
    CHECK(snapshot.get({1, 2}).text() == "new");
    CHECK(snapshot.get({2, 1}).text() == "neighbour");
    CHECK(store.region_files() == 1);
    CHECK(verify(snapshot).ok());
}

TEST_CASE("when the shared region is full, dimensions go on in another one") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.region_max_bytes = 1_MiB;
    std::optional<Producer> opened = Producer::create(store.name(), options);
    Producer& producer = *opened;
    std::map<Dimension, std::uint64_t> counts;
    for (std::uint64_t i = 0; i < 900; ++i) {  // 3.6 MB
        const auto dimension = static_cast<Dimension>(1 + i % 9);
        const std::uint64_t layer = counts[dimension]++;
        publish(producer, {dimension, layer}, payload_of(layer, dimension, 4000));
    }
    {
        Batch batch = producer.batch();  // one that nobody has published yet, and many puts at once
        for (std::uint64_t i = 0; i < 150; ++i) {
            batch.put({20, i}, payload_of(i, 20, 4000));
        }
        batch.crystallize();
    }
    counts[20] = 150;
    CHECK(store.region_files() > 3);
    for (int life = 0; life < 2; ++life) {
        const Snapshot snapshot = store.attach().snapshot();
        CHECK(verify(snapshot).ok());
        for (const auto& [dimension, count] : counts) {
            for (std::uint64_t layer = 0; layer < count; ++layer) {
                REQUIRE(snapshot.get({dimension, layer}).text() ==
                        payload_of(layer, dimension, 4000));
            }
        }
        if (life == 0) {
            opened.reset();
            opened = Producer::open(store.name(), options);
        }
    }
}

TEST_CASE("neither a full file nor a layer that is too large for it takes anything with it") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.region_max_bytes = 1_MiB;
    Producer producer = Producer::create(store.name(), options);
    publish(producer, {1, 1}, "small");
    CHECK(code_of([&] {
              publish(producer, {1, 2}, std::string(2'000'000, 'x'));
          }) == "layer_too_large");
    CHECK(code_of([&] {
              for (std::uint64_t i = 0; i < 300; ++i) {  // more than any file may hold
                  publish(producer, {1, 10 + i}, payload_of(i, 1, 4000));
              }
          }) == "limit_exceeded");
    publish(producer, {2, 1}, "goes on");
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.get({1, 1}).text() == "small");
    CHECK(snapshot.get({2, 1}).text() == "goes on");
    CHECK(verify(snapshot).ok());
}

TEST_CASE(
    "beside a slow reader a shared region is left by all its dimensions, which gives it back") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 4_MiB + (600 << 10);
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    Producer producer = Producer::create(store.name(), options);
    publish(producer, {9, 1}, "a tiny dimension");
    Consumer consumer = store.attach();
    const Snapshot old = consumer.snapshot();
    // One layer in ten stays, and with it, here and there, the pages of the others.
    constexpr std::uint64_t layers = 700;
    for (Dimension dimension = 1; dimension <= 4; ++dimension) {
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < layers; ++i) {
            batch.put({dimension, i}, payload_of(i, dimension, 1000));
        }
        batch.crystallize();
        for (std::uint64_t i = 0; i < layers; ++i) {
            if (i % 10 != 0) {
                batch.erase({dimension, i});
            }
        }
        batch.crystallize();
    }
    const Generation written = consumer.snapshot().get({2, 10}).generation();
    const std::uint64_t committed = producer.stats().committed_bytes;
    Batch begun = producer.batch();
    begun.put({3, layers}, "begun before");
    publish(producer, {2, layers}, payload_of(layers, 2, 3 << 20));
    begun.crystallize();
    const StoreStatistics s = statistics(producer);
    CHECK(s.relocations == 1);
    CHECK(s.committed_bytes < committed + (3 << 20));
    CHECK(s.committed_bytes == store.allocated_bytes());
    const Snapshot now = consumer.snapshot();
    CHECK(old.layer_count() == 1);
    CHECK(old.get({9, 1}).text() == "a tiny dimension");
    CHECK(now.layer_count() == 1 + 4 * (layers / 10) + 2);
    for (Dimension dimension = 1; dimension <= 4; ++dimension) {
        for (std::uint64_t i = 0; i < layers; i += 10) {
            REQUIRE(now.get({dimension, i}).text() == payload_of(i, dimension, 1000));
        }
    }
    CHECK(now.get({3, layers}).text() == "begun before");
    CHECK(now.get({2, layers}).text() == payload_of(layers, 2, 3 << 20));
    CHECK(now.get({2, 10}).generation() == written);
    CHECK(verify(now).ok());
}

TEST_CASE("beside a slow reader no dimension is relocated if that frees nothing") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 4_MiB;
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    Producer producer = Producer::create(store.name(), options);
    publish(producer, {9, 1}, "a tiny dimension");
    Batch batch = producer.batch();
    const auto rewrite = [&](std::uint64_t version) {
        for (std::uint64_t i = 0; i < 80; ++i) {
            batch.put({1, i}, payload_of(i, version, 20'000));
        }
        batch.crystallize();
    };
    rewrite(0);
    Consumer consumer = store.attach();
    const Snapshot old = consumer.snapshot();
    rewrite(1);  // as much is held now as is live
    const std::uint64_t free = options.memory_limit - producer.stats().committed_bytes;
    REQUIRE(free > 400 << 10);  // enough for the tiny one
    for (int i = 0; i < 3; ++i) {
        CHECK(code_of([&] { batch.put({1, 100}, std::string(free, 'x')); }) == "limit_exceeded");
    }
    CHECK(statistics(producer).relocations == 0);
    CHECK(store.region_files() == 1);
    for (std::uint64_t i = 0; i < 80; ++i) {
        REQUIRE(old.get({1, i}).text() == payload_of(i, 0, 20'000));
    }
}

TEST_CASE("random histories of dimensions that come, grow and go, beside a reader, over restarts") {
    const TempStore store;
    std::mt19937_64 random(11);
    std::map<LayerId, std::string> model;
    (void)store.create();
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    Snapshot held;
    std::map<LayerId, std::string> held_model;
    for (int life = 0; life < 12; ++life) {
        Producer producer = store.open();
        for (int step = 0; step < 60; ++step) {
            Batch batch = producer.batch();
            for (std::uint64_t n = 1 + random() % 6; n > 0; --n) {
                const LayerId id{static_cast<Dimension>(random() % 12), random() % 30};
                if (random() % 12 == 0) {
                    batch.remove_dimension(id.dimension);
                    std::erase_if(model, [&](const auto& entry) {
                        return entry.first.dimension == id.dimension;
                    });
                } else if (random() % 4 == 0) {
                    batch.erase(id);
                    model.erase(id);
                } else {
                    model[id] = payload_of(id.layer, random(), random() % 3000);
                    batch.put(id, model[id]);
                }
            }
            batch.crystallize();
            if (random() % 10 == 0) {
                held = consumer.snapshot();
                held_model = model;
            }
            if (random() % 10 == 0) {
                producer.reclaim();
            }
        }
        for (const auto& [id, payload] : held_model) {
            REQUIRE(held.get(id).text() == payload);
        }
        CHECK(verify(held).ok());
        const Snapshot now = consumer.snapshot();
        CHECK(now.layer_count() == model.size());
        for (const auto& [id, payload] : model) {
            REQUIRE(now.get(id).text() == payload);
        }
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    }
    held = Snapshot();
    Producer last = store.open();
    last.trim();
    const StoreStatistics s = statistics(last);
    std::uint64_t used = 0;
    for (const RegionStatistics& region : s.regions) {
        used += region.memory.used_bytes;
    }
    CHECK(used == s.live_bytes);
    CHECK(last.stats().limbo_bytes == 0);
}

TEST_CASE("a record that names a region of another dimension, or none, is refused") {
    const TempStore store;
    {
        Producer producer = store.create();
        producer.add_dimension(1, {.own_region = true});
        publish(producer, {1, 1}, "x");
    }
    ControlEditor(store.path()).forge_record([](ipc::DimensionRecord& record) {
        record.dimension = 1;
        record.serial = 9;
    });
    CHECK(code_of([&] { (void)store.attach().snapshot().get({1, 1}); }) == "corrupt");
    CHECK(code_of([&] { (void)store.open(); }) == "corrupt");
}
