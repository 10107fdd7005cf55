// SPDX-License-Identifier: Apache-2.0
// Dimensions by name, on both sides, beside an oracle that knows each of them: thousands, renamed,
// removed, of one name, in snapshots of different layouts.
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::Channel;
using strata::test::Child;
using strata::test::TempStore;

namespace {

using Names = std::map<Dimension, std::string>;

std::optional<Dimension> lowest_of(const Names& names, std::string_view name) {
    for (const auto& [number, own] : names) {
        if (own == name) {
            return number;
        }
    }
    return std::nullopt;
}

std::string name_of(std::uint64_t number) {
    return number % 3 == 0 ? "n" + std::to_string(number)
                           : "a name that is too long for a short string " + std::to_string(number);
}

}  // namespace

TEST_CASE("thousands of names in one batch: each adds one dimension, and finds it again") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    Names names;
    for (std::uint64_t i = 0; i < 5000; ++i) {
        const Dimension number = batch.add_dimension(name_of(i));
        REQUIRE(names.emplace(number, name_of(i)).second);
        REQUIRE(batch.add_dimension(name_of(i)) == number);
    }
    batch.crystallize();
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    REQUIRE(snapshot.dimension_count() == names.size());
    for (const auto& [number, name] : names) {
        REQUIRE(snapshot.find_dimension(name) == number);
        REQUIRE(batch.add_dimension(name) == number);  // the published one
    }
    CHECK_FALSE(snapshot.find_dimension("n1"));
    CHECK_FALSE(snapshot.find_dimension(""));
}

TEST_CASE("a batch that renames or removes what it has added gives the name out again") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    const Dimension first = batch.add_dimension("prices");
    batch.add_dimension(first, "old prices");
    const Dimension second = batch.add_dimension("prices");
    CHECK(second != first);
    CHECK(batch.add_dimension("old prices") == first);
    batch.add_dimension(first, "prices");  // of two the one that was named first
    CHECK(batch.add_dimension("prices") == first);
    batch.remove_dimension(first);
    CHECK(batch.add_dimension("prices") == second);
    batch.crystallize();
    CHECK(store.attach().snapshot().find_dimension("prices") == second);

    batch.add_dimension(second, "new prices");
    const Dimension third = batch.add_dimension("prices");  // the published one has another name
    CHECK(third != second);
    batch.clear();
    CHECK(batch.add_dimension("prices") == second);  // as if nothing had been said
}

TEST_CASE("names follow what is added, renamed and removed, in every snapshot that is held") {
    const TempStore store;
    std::optional<Producer> producer(store.create());
    Consumer consumer = store.attach();
    std::mt19937_64 random(11);
    Names names;
    std::vector<std::pair<Snapshot, Names>> held;
    std::vector<std::string> all;
    for (int i = 0; i < 12; ++i) {
        all.push_back(name_of(static_cast<std::uint64_t>(i)));
    }
    for (int commit = 0; commit < 400; ++commit) {
        Batch batch = producer->batch();
        for (std::uint64_t change = 1 + random() % 3; change > 0; --change) {
            const auto number = static_cast<Dimension>(1 + random() % 20);
            if (names.contains(number) && random() % 4 == 0) {
                batch.remove_dimension(number);
                names.erase(number);
            } else if (random() % 3 != 0) {
                const std::string& name = all[random() % all.size()];
                batch.add_dimension(number, name);
                names[number] = name;
            } else {
                batch.put({number, 1}, "x");
                names.try_emplace(number, "D" + std::to_string(number));
            }
        }
        batch.crystallize();
        batch.clear();
        if (commit % 40 == 0) {  // the next producer reads the names
            producer.reset();
            producer.emplace(store.open());
        }
        held.emplace_back(consumer.snapshot(), names);
        if (held.size() > 3) {
            held.erase(held.begin());
        }
        for (const auto& [snapshot, expected] : held) {
            for (const std::string& name : all) {
                REQUIRE(snapshot.find_dimension(name) == lowest_of(expected, name));
            }
        }
        Batch asking = producer->batch();
        for (const std::string& name : all) {
            if (const auto number = lowest_of(names, name)) {
                REQUIRE(asking.add_dimension(name) == *number);
            }
        }
    }
}

TEST_CASE("threads ask for names while their dimensions change, and forked children too") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    const Dimension fixed = batch.add_dimension("fixed");
    batch.crystallize();
    Consumer consumer = store.attach();
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            while (!stop.load(std::memory_order_relaxed)) {
                const Snapshot snapshot = consumer.snapshot();
                wrong += snapshot.find_dimension("fixed") == fixed ? 0 : 1;
                wrong += snapshot.find_dimension("absent") ? 1 : 0;
            }
        });
    }
    for (std::uint64_t i = 0; i < 200; ++i) {
        batch.add_dimension("n" + std::to_string(i));
        batch.crystallize();
        if (i % 50 == 0) {
            Child child = Child::start([&](Channel&) {
                STRATA_REQUIRE(consumer.snapshot().find_dimension("fixed") == fixed);
            });
            CHECK(child.join() == "");
        }
    }
    stop = true;
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(wrong == 0);
}
