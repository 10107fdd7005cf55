// SPDX-License-Identifier: Apache-2.0
// Noted places: what `find` remembers of a generation is what the index of that generation says.
#include <atomic>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/noted_places.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::layers;
using strata::test::list_of;
using strata::test::noted;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

std::size_t size_of(std::uint64_t layer) { return static_cast<std::size_t>(layer % 300); }

// Every third layer number is missing.
Generation fill(Producer& producer, Dimension dimension) {
    const Generation g = producer.generation() + 1;
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < layers; ++layer) {
        if (layer % 3 != 2) {
            batch.put({dimension, layer}, payload_of(layer, g, size_of(layer)));
        }
    }
    return batch.crystallize();
}

bool complete(const Snapshot& snapshot, Dimension dimension, Generation g) {
    std::vector<LayerId> ids;
    for (std::uint64_t layer = 0; layer < layers + 70; ++layer) {
        ids.push_back({dimension, layer});
    }
    std::vector<Layer> many(ids.size());
    snapshot.find(ids, many);
    std::vector<std::uint64_t> numbers;
    for (const LayerId id : ids) {
        numbers.push_back(id.layer);
    }
    std::vector<Layer> numbered(numbers.size());
    snapshot.find(dimension, numbers, numbered);
    for (const LayerId id : ids) {
        const Layer found = snapshot.find(id);
        const Layer& same = numbered[id.layer];
        if (same.data() != found.data() || same.size() != found.size()) {
            return false;
        }
        const bool expected = id.layer < layers && id.layer % 3 != 2;
        const Layer& other = many[id.layer];
        if (static_cast<bool>(found) != expected || other.data() != found.data() ||
            other.size() != found.size() || other.mapping_slot() != found.mapping_slot() ||
            (expected && (found.text() != payload_of(id.layer, g, size_of(id.layer)) ||
                          found.id() != id || !found.verify()))) {
            return false;
        }
    }
    return true;
}

}  // namespace

TEST_CASE("look-up cache: noted after a while, and the same as the index says") {
    const TempStore store;
    Producer producer = store.create();
    const Generation g = fill(producer, 1);
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    CHECK(complete(snapshot, 1, g));
    REQUIRE(list_of(snapshot, 1) != nullptr);
    CHECK(list_of(snapshot, 1)->count == layers);
    CHECK(complete(snapshot, 1, g));
    CHECK(noted(snapshot, 1) == snapshot.layer_count());
}

TEST_CASE("look-up cache: each generation has its own") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    std::vector<std::pair<Snapshot, Generation>> held;
    for (int round = 0; round < 8; ++round) {
        const Generation g = fill(producer, 1);
        held.emplace_back(consumer.snapshot(), g);
        for (const auto& [snapshot, generation] : held) {
            CHECK(complete(snapshot, 1, generation));
            CHECK(noted(snapshot, 1) > 0);
        }
    }
    // Views and their tables are used again: nothing of the old places may be left.
    held.clear();
    for (int round = 0; round < 50; ++round) {
        const Generation g = fill(producer, 1);
        const Snapshot snapshot = consumer.snapshot();
        CHECK(list_of(snapshot, 1) == nullptr);
        CHECK(complete(snapshot, 1, g));
    }
}

TEST_CASE("look-up cache: dimensions that share a place in the table, and ever new ones") {
    const TempStore store;
    Producer producer = store.create();
    const Generation first = fill(producer, 1);
    const Generation second = fill(producer, 257);
    const Generation g = fill(producer, 2);
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    CHECK(complete(snapshot, 257, second));
    CHECK(complete(snapshot, 1, first));
    CHECK(complete(snapshot, 2, g));
    CHECK(list_of(snapshot, 257) != nullptr);
    CHECK(list_of(snapshot, 1) != nullptr);
    CHECK(list_of(snapshot, 2) != nullptr);
    CHECK(complete(snapshot, 1, first));
    CHECK_FALSE(snapshot.find({513, 3}));
}

TEST_CASE("look-up cache: a batch of several dimensions, with many layers and few") {
    constexpr std::uint64_t many = 20'000;  // more than are taken to lie in the caches
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < many; ++layer) {
        for (Dimension dimension = 1; dimension <= 3; ++dimension) {
            if (layer % 7 != dimension && (dimension == 1 || layer < 500)) {
                batch.put({dimension, layer}, std::to_string(layer * 8 + dimension));
            }
        }
    }
    batch.crystallize();
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    for (int round = 0; round < 3; ++round) {          // walked, half noted, noted
        for (Dimension last = 1; last <= 4; ++last) {  // 4: there is none
            std::vector<LayerId> ids;
            for (std::uint64_t i = 0; i < 2 * many; ++i) {
                ids.push_back({static_cast<Dimension>(i % 300 < 290 ? 1 : 1 + i % last),
                               i * 7919 % (many + 10)});
            }
            std::vector<Layer> found(ids.size());
            snapshot.find(ids, found);
            std::uint64_t wrong = 0;
            for (std::size_t i = 0; i < ids.size(); ++i) {
                const auto [dimension, layer] = ids[i];
                const bool there = layer % 7 != dimension && dimension <= 3 &&
                                   layer < (dimension == 1 ? many : 500);
                wrong += there != static_cast<bool>(found[i]) ||
                         (there && found[i].text() != std::to_string(layer * 8 + dimension));
            }
            CHECK(wrong == 0);
        }
    }
}

TEST_CASE("look-up cache: only for dense layer numbers, and within the memory allowed") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < layers; ++layer) {
        batch.put({1, layer * 5}, "thin");
        batch.put({2, layer}, "dense");
    }
    batch.crystallize();
    const auto look = [](const Snapshot& snapshot) {
        for (int round = 0; round < 2; ++round) {
            for (std::uint64_t layer = 0; layer < layers; ++layer) {
                CHECK(snapshot.find({1, layer * 5}).text() == "thin");
                CHECK(snapshot.find({2, layer}).text() == "dense");
            }
        }
    };
    ConsumerOptions options = store.consumer_options();
    for (const std::uint64_t bytes : {std::uint64_t{0}, layers * 8 - 1, layers * 8}) {
        options.lookup_cache_bytes = bytes;
        Consumer consumer = Consumer::attach(store.name(), options);
        std::optional<Snapshot> first(consumer.snapshot());
        look(*first);
        CHECK(list_of(*first, 1) == nullptr);  // it would need 16 bytes a layer, and half more
        CHECK((list_of(*first, 2) != nullptr) == (bytes >= layers * 8));
        CHECK(consumer.statistics().lookup_cache_limit == bytes);
        // A generation that did not change the dimension shares its list.
        publish(producer, {3, 3}, "new");
        std::optional<Snapshot> second(consumer.snapshot());
        look(*second);
        CHECK(list_of(*second, 2) == list_of(*first, 2));
        second.reset();
        // What one version takes, a second one cannot have, until it is released.
        publish(producer, {2, 3}, "dense");
        second.emplace(consumer.snapshot());
        look(*second);
        CHECK(list_of(*second, 2) == nullptr);
        first.reset();
        second.reset();
        publish(producer, {3, 3}, "newer");
        for (int i = 0; i < 20; ++i) {  // retired views are closed now and then
            publish(producer, {3, 3}, "newest");
            producer.reclaim();
            const Snapshot passing = consumer.snapshot();
        }
        const Snapshot third = consumer.snapshot();
        look(third);
        CHECK((list_of(third, 2) != nullptr) == (bytes >= layers * 8));
    }
}

TEST_CASE("look-up cache: layers too large for a note are found all the same") {
    const TempStore store;
    Producer producer = store.create();
    const std::string largest = payload_of(7, 7, 0xFF'FFFF);  // the index does not know its size
    const std::string large = largest.substr(0, detail::CachedPlace::most_bytes + 1);
    const std::string fitting = large.substr(1);
    {
        Batch batch = producer.batch();
        batch.put({1, 0}, large);
        batch.put({1, 1}, fitting);
        batch.put({1, 2}, "");
        batch.put({1, 3}, largest);
        batch.crystallize();
    }
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    for (int i = 0; i < 100; ++i) {
        CHECK(snapshot.find({1, 0}).size() == large.size());
        CHECK(snapshot.find({1, 1}).size() == fitting.size());
        CHECK(snapshot.find({1, 2}));
    }
    REQUIRE(list_of(snapshot, 1) != nullptr);
    CHECK(noted(snapshot, 1) == 2);
    CHECK(snapshot.find({1, 0}).text() == large);
    CHECK(snapshot.find({1, 3}).text() == largest);
    CHECK(snapshot.find({1, 1}).text() == fitting);
    CHECK(snapshot.find({1, 2}).text().empty());
}

TEST_CASE("look-up cache: many threads note in the same lists while generations pass") {
    const TempStore store;
    Producer producer = store.create();
    fill(producer, 1);
    Consumer consumer = store.attach();
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::atomic<int> looks{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&] {
            do {
                const Snapshot snapshot = consumer.snapshot();
                wrong += complete(snapshot, 1, snapshot.generation()) ? 0 : 1;
                ++looks;
            } while (!stop);
        });
    }
    for (int round = 0; round < 30; ++round) {
        fill(producer, 1);
        const int before = looks;
        while (looks < before + 2) {  // with some, the lists fill; with some, they pass half filled
            std::this_thread::yield();
        }
    }
    stop = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
}

TEST_CASE("look-up cache: a batch of noted layers ends where the caller's spans end") {
    const TempStore store;
    Producer producer = store.create();
    constexpr std::uint64_t many = 20'000;  // more than the caches are trusted to hold
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < many; ++layer) {
        batch.put({1, layer}, std::to_string(layer));
    }
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    std::vector<std::uint64_t> numbers(600);
    for (int pass = 0; pass < 2; ++pass) {  // in the first, the list is opened
        for (std::uint64_t i = 0; i < numbers.size(); ++i) {
            numbers[i] = i;
            REQUIRE(snapshot.find({1, i}));
        }
    }
    REQUIRE(noted(snapshot, 1) >= numbers.size());
    for (const std::size_t size : {std::size_t{1}, std::size_t{10}, std::size_t{255},
                                   std::size_t{256}, std::size_t{257}, std::size_t{500}}) {
        CAPTURE(size);
        // What follows both spans is the caller's own.
        std::vector<Layer> found(numbers.size());
        snapshot.find(1, std::span(numbers).first(size), std::span(found).first(size));
        for (std::size_t i = 0; i < found.size(); ++i) {
            CHECK(static_cast<bool>(found[i]) == (i < size));
        }
        CHECK(found[size - 1].text() == std::to_string(size - 1));
    }
}

TEST_CASE("look-up cache: dimensions that come and go for ever leave nothing behind") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    Snapshot snapshot;
    std::uint64_t after_some = 0;
    constexpr Dimension alive = 20;
    constexpr Dimension last = 6000;
    for (Dimension dimension = 0; dimension < last; ++dimension) {
        Batch batch = producer.batch();
        batch.put({dimension, 1}, "text");
        if (dimension >= alive) {
            batch.remove_dimension(dimension - alive);
        }
        batch.crystallize();
        snapshot = consumer.snapshot();
        REQUIRE(snapshot.find({dimension, 1}).text() == "text");
        if (dimension == last / 4) {
            after_some = consumer.statistics().lookup_cache_bytes;
        }
    }
    CHECK(consumer.statistics().lookup_cache_bytes < after_some + after_some / 4);
}
