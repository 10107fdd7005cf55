// SPDX-License-Identifier: Apache-2.0
// Snapshots: unchanged whatever is published, cheap to copy, alive beyond their consumer.
#include "strata/snapshot.hpp"

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

constexpr std::uint64_t layer_count = 40;

std::size_t size_of(std::uint64_t layer, Generation g) {
    return static_cast<std::size_t>((layer * 97 + g * 13) % 900);
}

// In generation g all layers of dimensions 1 and 2 say g, and layers (g % 40) + 100 come and go.
Generation publish_all(Producer& producer) {
    const Generation g = producer.generation() + 1;
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < layer_count; ++layer) {
        batch.put({1 + static_cast<Dimension>(layer % 2), layer},
                  payload_of(layer, g, size_of(layer, g)));
    }
    batch.put({1, 100 + g % 40}, payload_of(100, g, 64));
    batch.erase({1, 100 + (g + 20) % 40});
    return batch.crystallize();
}

// True if the snapshot is wholly of its own generation.
bool intact(const Snapshot& snapshot) {
    const Generation g = snapshot.generation();
    for (std::uint64_t layer = 0; layer < layer_count; ++layer) {
        const Layer found = snapshot.find({1 + static_cast<Dimension>(layer % 2), layer});
        if (!found || found.text() != payload_of(layer, g, size_of(layer, g)) || !found.verify() ||
            found.generation() != g) {
            return false;
        }
    }
    return snapshot.find({1, 100 + g % 40}).text() == payload_of(100, g, 64) &&
           !snapshot.find({1, 100 + (g + 20) % 40});
}

ConsumerOptions without_idle_pin(const TempStore& store) {
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    return options;
}

}  // namespace

TEST_CASE("snapshots stay as they are while hundreds of generations pass and memory is reused") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer);
    Consumer consumer = store.attach();
    std::deque<Snapshot> held;
    for (int i = 0; i < 400; ++i) {
        const Snapshot newest = consumer.snapshot();
        REQUIRE(newest.generation() == producer.generation());
        REQUIRE(intact(newest));
        if (i % 25 == 0) held.push_back(newest);
        if (i % 60 == 0 && held.size() > 3) held.pop_front();
        publish_all(producer);
        if (i % 3 == 0) producer.reclaim();
        if (i % 50 == 49) producer.trim();
    }
    REQUIRE(held.size() > 5);
    for (const Snapshot& snapshot : held) {
        CHECK(intact(snapshot));
    }
    // Generations that nobody holds were reused: otherwise 400 of some 20 kB each would lie there.
    CHECK(producer.stats().committed_bytes < 2_MiB);
}

TEST_CASE("copies and moves of a snapshot are the same generation, each with a life of its own") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer);
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    Snapshot first = consumer.snapshot();
    Snapshot copy = first;
    publish_all(producer);
    Snapshot second = consumer.snapshot();
    const Snapshot moved = std::move(first);
    CHECK_FALSE(first);  // NOLINT: a moved-from snapshot is empty, as documented
    CHECK(first.generation() == 0);
    CHECK(copy.generation() == 2);
    CHECK(moved.generation() == 2);
    copy = *&copy;
    CHECK(intact(copy));
    copy = second;
    CHECK(copy.generation() == 3);
    second = Snapshot();
    CHECK(intact(copy));
    first = moved;
    CHECK(intact(first));
    first.swap(copy);
    CHECK(first.generation() == 3);
    CHECK(copy.generation() == 2);
    copy = Snapshot();
    CHECK(readers(store.name(), store.base()).size() == 1);
    CHECK(intact(moved));
    first = Snapshot();
    CHECK(intact(moved));
}

TEST_CASE("an empty snapshot finds nothing and says so") {
    const Snapshot empty;
    CHECK_FALSE(empty);
    CHECK(empty.generation() == 0);
    CHECK(empty.layer_count() == 0);
    CHECK(empty.dimension_count() == 0);
    CHECK(empty.dimensions().empty());
    CHECK_FALSE(empty.has_dimension(1));
    CHECK_FALSE(empty.find({1, 1}));
    CHECK_FALSE(empty.find(1, "name"));
    const LayerId ids[] = {{1, 1}, {2, 2}};
    Layer out[2] = {Layer::from_parts(reinterpret_cast<const std::byte*>(ids), 1, 0), {}};
    empty.find(ids, out);
    CHECK_FALSE(out[0]);
    const std::uint64_t numbers[] = {1, 2};
    out[0] = Layer::from_parts(reinterpret_cast<const std::byte*>(ids), 1, 0);
    empty.find(1, numbers, out);
    CHECK_FALSE(out[0]);
    CHECK(code_of([&] { (void)empty.get({1, 1}); }) == "dimension_not_found");
    CHECK(code_of([&] { (void)empty.dimension(1); }) == "dimension_not_found");
    CHECK(changes(empty, Snapshot()).empty());
}

TEST_CASE("a snapshot outlives its consumer, the producer and the store's name") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    publish_all(*producer);
    std::optional<Consumer> consumer = store.attach();
    Snapshot snapshot = consumer->snapshot();
    REQUIRE(intact(snapshot));
    consumer.reset();
    for (int i = 0; i < 50; ++i) {
        publish_all(*producer);
        producer->reclaim();
    }
    CHECK(intact(snapshot));
    const Snapshot copy = snapshot;
    snapshot = Snapshot();
    producer.reset();
    remove_store(store.name(), store.base());
    CHECK(intact(copy));
    CHECK(copy.dimensions().size() == 2);
}

TEST_CASE("two consumers in one process see the same and hold pins of their own") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer);
    Consumer a = Consumer::attach(store.name(), without_idle_pin(store));
    Consumer b = Consumer::attach(store.name(), without_idle_pin(store));
    const Snapshot of_a = a.snapshot();
    for (int i = 0; i < 30; ++i) {
        publish_all(producer);
        producer.reclaim();
        const Snapshot of_b = b.snapshot();
        CHECK(of_b.generation() == producer.generation());
        CHECK(intact(of_b));
    }
    CHECK(intact(of_a));  // b's coming and going did not drop a's pin
    const Snapshot newest = b.snapshot();
    CHECK(changes(of_a, newest).size() == changes(newest, of_a).size());
    // Through two mappings of one file: every layer was put again, and the extra ones moved.
    CHECK(changes(of_a, newest).size() >= layer_count);
    CHECK(changes(a.snapshot(), newest).empty());
}

TEST_CASE("snapshots of two stores cannot be compared") {
    const TempStore one("one");
    const TempStore two("two");
    Producer first = one.create();
    Producer second = two.create();
    Consumer a = one.attach();
    Consumer b = two.attach();
    const Snapshot of_a = a.snapshot();
    const Snapshot of_b = b.snapshot();
    CHECK(code_of([&] { (void)changes(of_a, of_b); }) == "invalid_argument");
}

TEST_CASE("get says whether the dimension or the layer is missing; find just finds nothing") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.get({1, 1}).text() == "x");
    const auto layer = error_of([&] { (void)snapshot.get({1, 2}); });
    REQUIRE(layer);
    CHECK(layer->code() == Errc::layer_not_found);
    CHECK(layer->detail().find("layer 2 of dimension 1") != std::string::npos);
    CHECK(layer->detail().find("generation 2") != std::string::npos);
    const auto dimension = error_of([&] { (void)snapshot.get({9, 1}); });
    REQUIRE(dimension);
    CHECK(dimension->code() == Errc::dimension_not_found);
    CHECK(code_of([&] { (void)snapshot.get(1, "no such name"); }) == "layer_not_found");
    CHECK_FALSE(snapshot.find({1, 2}));
    CHECK_FALSE(snapshot.find({9, 1}));
}

TEST_CASE("many dimensions at once: each is found, listed and looked up in groups") {
    const TempStore store;
    Producer producer = store.create();
    constexpr Dimension count = 150;
    Batch batch = producer.batch();
    std::vector<LayerId> ids;
    for (Dimension d = 0; d < count; ++d) {
        ids.push_back({d * 0x1234567U, d});
        batch.put(ids.back(), payload_of(d, 0, 100));
    }
    batch.crystallize();
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    std::vector<Layer> layers(ids.size());
    snapshot.find(ids, layers);
    for (Dimension d = 0; d < count; ++d) {
        CHECK(layers[d].text() == payload_of(d, 0, 100));
        CHECK_FALSE(snapshot.has_dimension(d * 0x1234567U + 1));
    }
    CHECK(snapshot.dimensions().size() == count);
    CHECK(snapshot.published_at() <= std::chrono::system_clock::now());
    CHECK(snapshot.published_at() > std::chrono::system_clock::now() - std::chrono::minutes(10));
}

TEST_CASE(
    "threads take, copy, hand over and drop snapshots while a producer commits and reclaims") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer);
    for (const bool keep_idle_pin : {true, false}) {
        ConsumerOptions options = store.consumer_options();
        options.keep_idle_pin = keep_idle_pin;
        Consumer consumer = Consumer::attach(store.name(), options);
        std::atomic<bool> stop{false};
        std::atomic<std::uint64_t> checked{0};
        std::atomic<std::uint64_t> damaged{0};
        std::mutex exchange_mutex;
        Snapshot exchange;
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < 8; ++t) {
            threads.emplace_back([&, t] {
                Generation newest = 0;
                std::deque<Snapshot> held;
                for (std::uint64_t i = t; !stop.load(std::memory_order_relaxed); ++i) {
                    Snapshot snapshot = consumer.snapshot();
                    damaged += snapshot.generation() < newest ? 1 : 0;  // never goes back
                    newest = snapshot.generation();
                    if (i % 4 == 0) held.push_back(snapshot);
                    if (held.size() > 3) held.pop_front();
                    if (i % 3 == 0) {
                        const std::lock_guard lock(exchange_mutex);
                        exchange.swap(snapshot);
                    }
                    const Snapshot copy = snapshot;
                    damaged += copy && !intact(copy) ? 1 : 0;
                    damaged += !held.empty() && !intact(held.front()) ? 1 : 0;
                    if (i % 7 == 0) {
                        const auto differences = changes(copy, consumer.snapshot());
                        damaged += differences.size() > 2 * layer_count + 90 ? 1 : 0;
                    }
                    checked += 1;
                }
            });
        }
        const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(700);
        for (std::uint64_t i = 0; std::chrono::steady_clock::now() < end || i < 100; ++i) {
            publish_all(producer);
            if (i % 2 == 0) producer.reclaim();
            if (i % 64 == 0) producer.trim();
        }
        stop.store(true);
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(damaged.load() == 0);
        CHECK(checked.load() > 50);
    }
    producer.reclaim();
    CHECK(readers(store.name(), store.base()).empty());
    CHECK(producer.stats().limbo_bytes < 64_KiB);
}

TEST_CASE("threads touch the same dimensions of one snapshot for the first time together") {
    const TempStore store;
    Producer producer = store.create();
    for (int round = 0; round < 20; ++round) {
        publish_all(producer);
        Consumer consumer = store.attach();
        const Snapshot snapshot = consumer.snapshot();
        std::atomic<unsigned> ready{0};
        std::atomic<unsigned> wrong{0};
        std::vector<std::thread> threads;
        for (unsigned t = 0; t < 4; ++t) {
            threads.emplace_back([&] {
                ready.fetch_add(1);
                while (ready.load() < 4)
                    std::this_thread::yield();
                wrong += intact(snapshot) ? 0 : 1;
            });
        }
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(wrong.load() == 0);
    }
}
