// SPDX-License-Identifier: Apache-2.0
// Noted places from one generation to the next: carried over, taken over or begun anew.
#include <map>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/noted_places.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::layers;
using strata::test::list_of;
using strata::test::noted;
using strata::test::publish;
using strata::test::TempStore;

TEST_CASE(
    "look-up cache: what one generation has noted is carried over to the next, with what differs") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    std::map<std::uint64_t, std::string> expected;
    const auto matches = [&](const Snapshot& snapshot) {
        for (std::uint64_t layer = 0; layer < 2 * layers; ++layer) {
            const Layer found = snapshot.find({1, layer});
            const auto known = expected.find(layer);
            if (static_cast<bool>(found) != (known != expected.end()) ||
                (found && (found.text() != known->second || found.id().layer != layer))) {
                return false;
            }
        }
        return true;
    };
    const auto change = [&](std::uint64_t seed, std::uint64_t changed) {
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < changed; ++i) {
            const std::uint64_t layer = (seed * 7919 + i * 104729) % (layers + seed);
            if ((seed + i) % 3 == 0) {
                batch.erase({1, layer});
                expected.erase(layer);
            } else {
                expected[layer] = std::to_string(seed) + " " + std::to_string(i);
                batch.put({1, layer}, expected[layer]);
            }
        }
        batch.crystallize();
    };
    for (std::uint64_t layer = 0; layer < layers; ++layer) {
        expected[layer] = "first " + std::to_string(layer);
    }
    Batch batch = producer.batch();
    for (const auto& [layer, text] : expected) {
        batch.put({1, layer}, text);
    }
    batch.crystallize();
    (void)consumer.snapshot();  // from the second on, views stay open a while
    REQUIRE(matches(consumer.snapshot()));
    REQUIRE(matches(consumer.snapshot()));
    std::uint64_t carried = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        CAPTURE(seed);
        change(seed, seed % 10 == 0 ? 300 : seed % 5);
        const Snapshot snapshot = consumer.snapshot();
        // One layer alone, as often as a list takes: it and its 63 neighbours would be noted.
        const std::uint64_t there = expected.begin()->first;
        for (int i = 0; i < 70; ++i) {
            REQUIRE(snapshot.find({1, there}).text() == expected[there]);
        }
        carried += noted(snapshot, 1) > 64 ? 1 : 0;
        CHECK(matches(snapshot));
        CHECK(matches(snapshot));
    }
    // Not after every reclaim, which closes the views before, nor when much has changed.
    CHECK(carried >= 50);
}

TEST_CASE(
    "look-up cache: a list goes over from a version that nobody holds, and stays with one that "
    "is") {
    const TempStore store;
    Producer producer = store.create();
    const auto fill_all = [&](std::uint64_t count) {
        Batch batch = producer.batch();
        for (std::uint64_t layer = 0; layer < count; ++layer) {
            batch.put({1, layer}, std::to_string(layer));
        }
        batch.crystallize();
    };
    fill_all(layers);
    ConsumerOptions options = store.consumer_options();
    options.lookup_cache_bytes = 2 * layers * 8 - 8;  // one array, and no second one
    Consumer consumer = Consumer::attach(store.name(), options);
    const auto look_at_all = [](const Snapshot& snapshot) {
        for (std::uint64_t layer = 0; layer < layers; ++layer) {
            CHECK(snapshot.find({1, layer}));
        }
    };
    // As often as a list takes; it and its 63 neighbours are noted at most.
    const auto look_at_one = [](const Snapshot& snapshot) {
        for (int i = 0; i < 70; ++i) {
            CHECK(snapshot.find({1, 1}));
        }
    };
    (void)consumer.snapshot();  // from the second on, views stay open a while
    look_at_all(consumer.snapshot());

    publish(producer, {1, 7}, "changed");
    Snapshot held = consumer.snapshot();
    look_at_one(held);
    CHECK(noted(held, 1) == layers);
    CHECK(held.find({1, 7}).text() == "changed");

    publish(producer, {1, 7}, "changed again");
    {
        const Snapshot other = consumer.snapshot();
        look_at_one(other);
        CHECK(list_of(other, 1) == nullptr);
        CHECK(other.find({1, 7}).text() == "changed again");
        CHECK(noted(held, 1) == layers);
        CHECK(held.find({1, 7}).text() == "changed");
    }
    held = Snapshot();

    // When the array has to grow, a copy gets room for more.
    options.lookup_cache_bytes = 64 * layers;
    Consumer roomy = Consumer::attach(store.name(), options);
    (void)roomy.snapshot();
    look_at_all(roomy.snapshot());
    publish(producer, {1, layers + 1}, "appended");
    const Snapshot appended = roomy.snapshot();
    look_at_one(appended);
    REQUIRE(list_of(appended, 1) != nullptr);
    CHECK(list_of(appended, 1)->count > layers + 2);
    CHECK(noted(appended, 1) >= layers);
    CHECK(appended.find({1, layers + 1}).text() == "appended");
    CHECK_FALSE(appended.find({1, layers + 2}));
}

TEST_CASE("look-up cache: taken over after few look-ups, copied only after many") {
    const TempStore store;
    Producer producer = store.create();
    constexpr std::uint64_t many = 40'000;  // a list is worth 625 walks
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < many; ++layer) {
        batch.put({1, layer}, std::to_string(layer));
    }
    batch.crystallize();
    ConsumerOptions options = store.consumer_options();
    options.lookup_cache_bytes = 16 * many;  // an eighth of so small layers has no room for a list
    Consumer consumer = Consumer::attach(store.name(), options);
    const auto look = [](const Snapshot& snapshot, int times) {
        for (int i = 0; i < times; ++i) {
            CHECK(snapshot.find({1, 5}).text() == "5");
        }
    };
    (void)consumer.snapshot();  // from the second on, views stay open a while
    Snapshot first = consumer.snapshot();
    look(first, 624);
    CHECK(list_of(first, 1) == nullptr);
    look(first, 1);
    CHECK(list_of(first, 1) != nullptr);
    publish(producer, {1, 6}, "changed");
    {
        const Snapshot second = consumer.snapshot();
        look(second, 300);  // the first is held: nothing to be taken over yet
        CHECK(list_of(second, 1) == nullptr);
        look(second, 325);
        CHECK(list_of(second, 1) != nullptr);
        CHECK(second.find({1, 6}).text() == "changed");
        CHECK(first.find({1, 6}).text() == "6");
    }
    first = Snapshot();
    publish(producer, {1, 7}, "changed");
    const Snapshot third = consumer.snapshot();
    look(third, 256);
    CHECK(list_of(third, 1) != nullptr);
    CHECK(third.find({1, 7}).text() == "changed");
}
