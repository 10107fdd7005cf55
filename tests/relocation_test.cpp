// SPDX-License-Identifier: Apache-2.0
// Relocating what slow readers are in the way of: the live layers get a fresh file, old snapshots
// keep theirs.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/full_store.hpp"
#include "tests/support/process.hpp"

using namespace strata;
using namespace std::chrono_literals;
using namespace strata::test;

TEST_CASE("relocating: a full region gets a fresh file, and the slow reader keeps its snapshot") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.name = "Moved", .max_bytes = 4_MiB});
    Batch first = producer.batch();
    for (std::uint64_t i = 0; i < 80; ++i) {
        first.put({1, i}, payload_of(i, 0, layer_bytes),
                  {.frequency = 1.5, .keywords = {"k"}, .alignment = i % 2 == 0 ? 64U : 4096U});
    }
    first.crystallize();
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill_dimension(producer, 1, 40,
                   1);  // half of it: the other half is shared with the old snapshot
    const Snapshot before = consumer.snapshot();
    const Generation kept = before.get({1, 79}).generation();
    CHECK(statistics(producer).relocations == 0);
    for (std::uint64_t version = 2; version < 12; ++version) {
        fill_dimension(producer, 1, 40, version);
        CHECK(store.allocated_bytes() <= options.memory_limit);
    }
    StoreStatistics s = statistics(producer);
    CHECK(s.relocations >= 1);
    CHECK(s.dimension_list.at(0).name == "Moved");
    CHECK(s.regions.at(0).max_bytes == 4_MiB);
    CHECK(s.retired_file_bytes > 0);
    CHECK(s.committed_bytes == store.allocated_bytes());
    CHECK(store.region_files() >= 2);
    for (std::uint64_t i = 0; i < 80; ++i) {
        CHECK(old->get({1, i}).text() == payload_of(i, 0, layer_bytes));
    }
    const Snapshot now = consumer.snapshot();
    check_dimension(now, 1, 40, 11);
    CHECK(now.layer_count() == 80);
    const Layer moved = now.get({1, 79});
    CHECK(moved.text() == payload_of(79, 0, layer_bytes));
    CHECK(moved.generation() == kept);  // it did not change
    CHECK(moved.frequency() == 1.5);
    CHECK(moved.keywords().size() == 1);
    CHECK(reinterpret_cast<std::uintptr_t>(moved.data()) % 4096 == 0);
    CHECK(changes(before, now).size() == 40);  // and is no change

    old.reset();
    { const Snapshot drop = before; }
}

TEST_CASE("relocating: the old file goes when the slow reader does") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 4_MiB});
    fill_dimension(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    for (std::uint64_t version = 1; version < 5; ++version) {
        fill_dimension(producer, 1, 80, version);
    }
    CHECK(statistics(producer).relocations >= 1);
    check_dimension(*old, 1, 80, 0);
    old.reset();
    (void)consumer.snapshot();
    producer.reclaim();
    const auto deadline = std::chrono::steady_clock::now() + strata::test::patience;
    while (store.region_files() > 1 && std::chrono::steady_clock::now() < deadline) {
        producer.reclaim();
        std::this_thread::sleep_for(1ms);
    }
    CHECK(store.region_files() == 1);
    CHECK(statistics(producer).retired_file_bytes == 0);
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    producer.trim();
    CHECK(producer.stats().committed_bytes <= 3_MiB);
    check_dimension(consumer.snapshot(), 1, 80, 4);
    // And the next producer finds one sound store.
    { const Producer gone = std::move(producer); }
    Producer next = store.open();
    check_dimension(consumer.snapshot(), 1, 80, 4);
    CHECK(next.stats().committed_bytes == store.allocated_bytes());
}

TEST_CASE("relocating: batches that were begun before it follow") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 4_MiB});
    fill_dimension(producer, 1, 60, 0);
    Consumer consumer = store.attach();
    const Snapshot old = consumer.snapshot();
    Batch begun = producer.batch();
    begun.put({1, 1000}, payload_of(1000, 0, layer_bytes), {.alignment = 1024});
    const Loan loan = begun.loan({1, 1001}, layer_bytes);
    begun.put(1, "named", std::as_bytes(std::span(std::string_view("by name"))));
    begun.erase({1, 5});
    for (std::uint64_t version = 1; version < 6; ++version) {
        fill_dimension(producer, 1, 60, version);
    }
    REQUIRE(statistics(producer).relocations >= 1);
    const std::string text = payload_of(1001, 7, layer_bytes);
    std::memcpy(loan.data(), text.data(), text.size());  // in the old file still
    begun.put({1, 1002}, "after the move");
    begun.crystallize();
    const Snapshot now = consumer.snapshot();
    CHECK(now.get({1, 1000}).text() == payload_of(1000, 0, layer_bytes));
    CHECK(now.get({1, 1000}).verify());
    CHECK(now.get({1, 1001}).text() == text);
    CHECK(now.get({1, 1001}).verify());
    CHECK(now.get({1, 1002}).text() == "after the move");
    CHECK(now.get(1, "named").text() == "by name");
    CHECK_FALSE(now.find({1, 5}));
    CHECK(now.layer_count() == 60 - 1 + 4);
    check_dimension(old, 1, 60, 0);

    // One that was begun before its dimension was moved and then removed does not come back.
    Batch late = producer.batch();
    late.put({1, 1}, "late");
    Batch removal = producer.batch();
    removal.remove_dimension(1);
    removal.crystallize();
    CHECK(code_of([&] { late.crystallize(); }) == "dimension_not_found");
}

TEST_CASE("relocating: a batch follows its dimension, not another that has its number") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 4_MiB});
    fill_dimension(producer, 1, 60, 0);
    Consumer consumer = store.attach();
    const Snapshot old = consumer.snapshot();
    Batch begun = producer.batch();
    begun.put({1, 1000}, "of the old dimension");
    for (std::uint64_t version = 1; version < 6; ++version) {
        fill_dimension(producer, 1, 60, version);
    }
    REQUIRE(statistics(producer).relocations >= 1);
    Batch replacement = producer.batch();
    replacement.remove_dimension(1);
    replacement.put({1, 1}, "of the new one");
    replacement.crystallize();
    CHECK(code_of([&] { begun.crystallize(); }) == "dimension_not_found");
    CHECK(begun.size() == 1);
    CHECK(consumer.snapshot().layer_count() == 1);
    check_dimension(old, 1, 60, 0);
}

TEST_CASE("relocating: retained generations stay readable, in the old file and in the new") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    options.retain = 3;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 8_MiB});
    fill_dimension(producer, 1, 60, 0);
    Consumer consumer = store.attach();
    const Snapshot old = consumer.snapshot();
    std::map<Generation, std::uint64_t> versions;
    for (std::uint64_t version = 1; version < 16; ++version) {
        fill_dimension(producer, 1, 60, version);
        versions[producer.generation()] = version;
        Consumer reader = store.attach();
        const Generation oldest = producer.generation() - options.retain;
        for (const auto& [generation, expected] : versions) {
            if (generation >= oldest) {
                check_dimension(reader.snapshot(generation), 1, 60, expected);
            }
        }
    }
    CHECK(statistics(producer).relocations >= 1);
    check_dimension(old, 1, 60, 0);
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    CHECK(verify(consumer.snapshot()).ok());
}

TEST_CASE("relocating: the next producer, too, leaves the old file to its reader") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    std::optional<Producer> producer(Producer::create(store.name(), options));
    producer->add_dimension(1, {.max_bytes = 4_MiB});
    fill_dimension(*producer, 1, 60, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    for (std::uint64_t version = 1; version < 6; ++version) {
        fill_dimension(*producer, 1, 60, version);
    }
    REQUIRE(statistics(*producer).relocations >= 1);
    producer.reset();
    producer = Producer::open(store.name(), options);
    CHECK(producer->stats().committed_bytes == store.allocated_bytes());
    for (std::uint64_t version = 6; version < 16; ++version) {
        fill_dimension(*producer, 1, 60, version);
        check_dimension(*old, 1, 60, 0);
    }
    CHECK(store.allocated_bytes() <= options.memory_limit);
    check_dimension(consumer.snapshot(), 1, 60, 15);
    old.reset();
    const auto deadline = std::chrono::steady_clock::now() + strata::test::patience;
    while (store.region_files() > 1 && std::chrono::steady_clock::now() < deadline) {
        producer->reclaim();
        std::this_thread::sleep_for(1ms);
    }
    CHECK(store.region_files() == 1);
}

TEST_CASE("relocating needs room: without it the commit fails as ever, and nothing is lost") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = small_options(store);
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    Producer producer = Producer::create(store.name(), options);
    fill_dimension(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill_dimension(producer, 1, 80, 1);
    CHECK(code_of([&] { fill_dimension(producer, 1, 80, 2); }) == "limit_exceeded");
    CHECK(store.allocated_bytes() <= 4_MiB);
    check_dimension(*old, 1, 80, 0);
    check_dimension(consumer.snapshot(), 1, 80, 1);
    old.reset();
    fill_dimension(producer, 1, 80, 2);
    check_dimension(consumer.snapshot(), 1, 80, 2);
}

TEST_CASE("relocating while several threads put, commit and read") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::relocate;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 2_MiB});
    const auto rounds = strata::test::scaled<std::uint64_t>(400, 100);
    std::atomic<bool> stop{false};
    std::thread reader([&] {
        Consumer consumer = store.attach();
        std::map<std::uint64_t, std::string> seen;
        Snapshot held = consumer.snapshot();
        const auto remember = [&] {
            seen.clear();
            for (const Layer& layer : held.dimension(1)) {
                seen[layer.id().layer] = layer.text();
            }
        };
        remember();
        while (!stop.load()) {
            std::this_thread::sleep_for(3ms);
            for (const auto& [layer, text] : seen) {  // still the same
                if (held.find({1, layer}).text() != text) {
                    FAIL_CHECK("a held layer changed");
                    return;
                }
            }
            held = consumer.snapshot();
            remember();
        }
    });
    std::vector<std::thread> writers;
    for (std::uint64_t t = 0; t < 2; ++t) {
        writers.emplace_back([&, t] {
            Batch batch = producer.batch();
            for (std::uint64_t i = 0; i < rounds; ++i) {
                for (std::uint64_t k = 0; k < 5; ++k) {
                    batch.put({1, t * 100 + (i * 5 + k) % 20}, payload_of(t, i, 20'000));
                }
                batch.crystallize();
            }
        });
    }
    for (std::thread& writer : writers) {
        writer.join();
    }
    stop.store(true);
    reader.join();
    const Snapshot last = store.attach().snapshot();
    CHECK(last.layer_count() == 40);
    for (std::uint64_t t = 0; t < 2; ++t) {
        CHECK(last.get({1, t * 100 + (rounds * 5 - 1) % 20}).text() ==
              payload_of(t, rounds - 1, 20'000));
    }
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
}
