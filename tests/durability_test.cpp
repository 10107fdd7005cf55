// SPDX-License-Identifier: Apache-2.0
// Checkpoints without a power failure: what they promise, what they pin, what the next producer
// and consumers make of the slots. Power failures are in tests/powercut.
#include <atomic>
#include <cstdint>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/durable_setting.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE("in memory nothing is done by default") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "one");
    CHECK(producer.durable_generation() == 0);
    CHECK(store.attach().durable_generation() == 0);
    CHECK_FALSE(std::filesystem::exists(store.file("durable.slots")));
}

TEST_CASE("a checkpoint makes the newest generation durable, for everybody to see") {
    const TempStore store;
    Producer producer = store.create();
    const Consumer consumer = store.attach();
    const Generation first = publish(producer, {1, 1}, "one");
    CHECK(producer.checkpoint() == first);
    CHECK(producer.durable_generation() == first);
    CHECK(consumer.durable_generation() == first);
    const Generation second = publish(producer, {1, 1}, "two");
    CHECK(consumer.durable_generation() == first);
    producer.wait_durable(first);
    CHECK(consumer.durable_generation() == first);
    producer.wait_durable(second);
    CHECK(consumer.durable_generation() == second);
    CHECK(code_of([&] { producer.wait_durable(second + 1); }) == "invalid_argument");
}

TEST_CASE("threads that wait for durability all get it") {
    const TempStore store;
    Producer producer = store.create();
    std::vector<std::thread> threads;
    std::atomic<unsigned> wrong{0};
    for (std::uint64_t t = 0; t < 8; ++t) {
        threads.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < 20; ++i) {
                const Generation generation = publish(producer, {1, t}, std::to_string(i));
                producer.wait_durable(generation);
                wrong += producer.durable_generation() < generation ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
    CHECK(producer.durable_generation() == producer.generation());
}

TEST_CASE("each commit is durable when it returns, if that is the policy") {
    const TempStore store;
    Producer producer =
        Producer::create("store", with(store, {.policy = DurabilityPolicy::each_commit}));
    CHECK(producer.durable_generation() == 1);
    const Generation generation = publish(producer, {1, 1}, "one");
    CHECK(producer.durable_generation() == generation);
}

TEST_CASE("in the background, generations become durable without being asked for") {
    const TempStore store;
    DurabilityOptions options{.policy = DurabilityPolicy::background};
    SUBCASE("after a while") { options.interval = std::chrono::milliseconds(1); }
    SUBCASE("after some generations") {
        options.interval = std::chrono::hours(1);
        options.every_generations = 3;
    }
    Producer producer = Producer::create("store", with(store, options));
    Generation last = 0;
    for (int i = 0; i < 3; ++i) {
        last = publish(producer, {1, 1}, std::to_string(i));
    }
    for (int i = 0; i < 3; ++i) {  // the first checkpoint may have come before the last one
        publish(producer, {1, 1}, std::to_string(i));
    }
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (producer.durable_generation() < last && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::yield();
    }
    CHECK(producer.durable_generation() >= last);
}

TEST_CASE("in the background, the longest interval that there is never ends") {
    const TempStore store;
    const DurabilityOptions options{.policy = DurabilityPolicy::background,
                                    .interval = std::chrono::milliseconds::max(),
                                    .every_generations = 1 << 20};
    Producer producer = Producer::create("store", with(store, options));
    const Generation first = producer.durable_generation();
    for (int i = 0; i < 5000; ++i) {
        publish(producer, {1, 1}, std::to_string(i));
        std::this_thread::yield();
    }
    CHECK(producer.durable_generation() == first);
    producer.checkpoint();
    CHECK(producer.durable_generation() == producer.generation());
}

TEST_CASE("after a cut the store opens at its durable generation, and skips numbers") {
    const TempStore store;
    Generation durable = 0;
    Generation published = 0;
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "one");
        durable = producer.checkpoint();
        for (int i = 0; i < 50; ++i) {
            published = publish(producer, {1, 1}, payload_of(1, static_cast<unsigned>(i), 500));
            producer.reclaim();
        }
    }
    change_boot(store);
    CHECK(code_of([&] { store.attach(); }) == "not_recovered");
    Producer producer = store.open();
    CHECK(producer.generation() == durable);
    CHECK(producer.durable_generation() == durable);
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.get({1, 1}).text() == "one");
    CHECK(verify(snapshot).ok());
    CHECK(publish(producer, {1, 1}, "two") > published);
    CHECK(snapshot.get({1, 1}).text() == "one");
    CHECK(consumer.snapshot().get({1, 1}).text() == "two");
}

TEST_CASE("in the same run a new producer opens what was published, and keeps what is durable") {
    const TempStore store;
    Generation durable = 0;
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "durable");
        durable = producer.checkpoint();
        publish(producer, {1, 1}, "published");
    }
    {
        Producer producer = store.open();
        CHECK(store.attach().snapshot().get({1, 1}).text() == "published");
        CHECK(producer.durable_generation() == durable);
        for (int i = 0; i < 50; ++i) {
            publish(producer, {1, 1}, payload_of(1, static_cast<unsigned>(i), 7));
            producer.reclaim();
        }
    }
    change_boot(store);
    Producer producer = store.open();
    CHECK(producer.generation() == durable);
    CHECK(store.attach().snapshot().get({1, 1}).text() == "durable");
}

TEST_CASE("an orderly end leaves a store that anybody may read after a restart of the machine") {
    const TempStore store;
    Generation last = 0;
    const auto options = with(store, {.policy = DurabilityPolicy::background});
    {
        Producer producer = Producer::create("store", options);
        last = publish(producer, {1, 1}, "last");
    }
    change_boot(store);
    CHECK(store.attach().snapshot().get({1, 1}).text() == "last");
    Producer producer = Producer::open("store", options);
    CHECK(producer.generation() == last);
    CHECK(publish(producer, {1, 1}, "next") == last + 1);
}

TEST_CASE("what the durable generation holds back is bounded, and given up at the limit") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    Producer producer = Producer::create("store", options);
    const std::string half(400 << 10, 'a');
    publish(producer, {1, 1}, half);
    const Generation first = producer.checkpoint();
    publish(producer, {1, 1}, std::string(300 << 10, 'b'));
    // There is no room for this one beside both.
    const Generation third = publish(producer, {1, 1}, std::string(350 << 10, 'c'));
    CHECK(producer.durable_generation() > first);
    CHECK(producer.durable_generation() <= third);
}

// What comes free at first is enough by the number, and of no use: parts of pages of another file.
TEST_CASE("a commit that finds room in the wrong file gives up the durable generation's, too") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.memory_limit = 2_MiB;
    options.durability.policy = DurabilityPolicy::off;
    Producer producer = Producer::create(store.name(), options);
    Consumer consumer =
        Consumer::attach(store.name(), {.base_path = store.base(), .keep_idle_pin = false});
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < 6; ++layer) {
        batch.put({1, layer}, payload_of(1, layer, 64 << 10));
    }
    batch.crystallize();
    const Generation durable = producer.checkpoint();
    producer.reclaim();  // what is put from here on is younger than what is durable
    for (std::uint64_t layer = 0; layer < 6; ++layer) {
        batch.erase({1, layer});
    }
    for (std::uint64_t layer = 0; layer < 300; ++layer) {
        batch.put({2, layer}, payload_of(2, layer, 300));
    }
    batch.put({3, 0}, "");
    batch.crystallize();
    Snapshot held = consumer.snapshot();
    for (std::uint64_t layer = 0; layer < 300; layer += 5) {
        batch.put({2, layer}, payload_of(3, layer, 300));
    }
    batch.crystallize();
    const std::uint64_t kept = options.memory_limit / 16;
    // Full, except for the layers that follow: these are small beside their index.
    for (std::uint64_t layer = 1;
         producer.stats().committed_bytes + kept + (160 << 10) < options.memory_limit; ++layer) {
        publish(producer, {3, layer}, payload_of(4, layer, 8 << 10));
        producer.trim();
    }
    held = Snapshot();
    std::mt19937_64 random(1);
    for (int layer = 0; layer < 5000; ++layer) {  // far apart: each has nodes of its own
        batch.put({3, random()}, "");
    }
    CHECK(producer.stats().allocation_failures == 0);
    CHECK(producer.durable_generation() == durable);
    const Generation made = batch.crystallize();
    CHECK(producer.durable_generation() == made - 1);
    const Snapshot now = consumer.snapshot();
    CHECK(now.layer_count() > 5000);
    CHECK(verify(now).ok());
}
