// SPDX-License-Identifier: Apache-2.0
// The parts of the look-up cache, each by itself: the table of dimensions, sparse lists, memory;
// and the cache over views that exist only here.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "consumer/lookup/cache_memory.hpp"
#include "consumer/lookup/lookup_cache.hpp"
#include "consumer/lookup/seeded_hash.hpp"
#include "consumer/views/view.hpp"
#include "tests/support/process.hpp"
#include "tests/support/refused_call.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::consumer_impl;
using strata::test::Child;
using strata::test::publish;
using strata::test::TempStore;

namespace {

/// Views that a test opens and holds by saying so.
class Views final : public OpenGenerations {
public:
    std::set<Generation> open;
    std::set<Generation> held;

    bool any_open(Generation first, Generation last) const noexcept override {
        return in(open, first, last);
    }
    bool any_held(Generation first, Generation last) noexcept override {
        return in(held, first, last);
    }
    std::uint64_t opened() const noexcept override { return 1; }
    std::uint64_t oldest_open() const noexcept override { return 1; }

private:
    static bool in(const std::set<Generation>& set, Generation first, Generation last) noexcept {
        const auto found = set.lower_bound(first);
        return found != set.end() && *found <= last;
    }
};

ipc::DimensionRecord record_of(Dimension dimension, Generation changed) {
    ipc::DimensionRecord record{};
    record.dimension = dimension;
    record.serial = dimension + 1000;
    record.index = changed << 6;
    record.generation = changed;
    return record;
}

CachedDimension* add(LookupCache& cache, Generation generation,
                     const ipc::DimensionRecord& record) {
    return cache.add(generation, record, {.root = record.index}, nullptr);
}

CachedDimension* version_in(const LookupCache& cache, Generation generation, Dimension dimension) {
    const LookupTable::Found found = cache.table().find(generation, dimension);
    return found.entry != nullptr ? found.entry->version.load() : nullptr;
}

}  // namespace

TEST_CASE("processes that get no random numbers have seeds all the same, each its own") {
    // The first of these cases: this process has drawn no seed yet that its children would have.
    const auto of_child = [] {
        Child child = Child::start([](const test::Channel& channel) {
            test::refuse_call(SYS_getrandom);
            channel.send(SeededHash::of_process()(1));
        });
        const std::uint64_t hash = child.receive();
        CHECK(child.join() == "");
        return hash;
    };
    const std::uint64_t first = of_child();
    CHECK(first != of_child());  // at another time
    CHECK(first != SeededHash::of_seed(1)(1));
}

TEST_CASE("a version is found in the generations in which it was, and in no other") {
    Views views;
    LookupCache cache(std::nullopt, views);
    views.open = {10, 20, 30};
    CachedDimension* const first = add(cache, 10, record_of(7, 5));
    CHECK(version_in(cache, 10, 7) == first);
    CHECK(version_in(cache, 5, 7) == first);  // since the commit that made it
    CHECK(version_in(cache, 4, 7) == nullptr);
    CHECK(version_in(cache, 11, 7) == nullptr);  // not known yet
    CHECK(version_in(cache, 10, 8) == nullptr);
    CHECK(cache.match(20, record_of(7, 5)) == first);
    CHECK(version_in(cache, 15, 7) == first);
    CHECK(version_in(cache, 20, 7) == first);
    CHECK(cache.match(30, record_of(7, 25)) == nullptr);
    CachedDimension* const second = add(cache, 30, record_of(7, 25));
    CHECK(version_in(cache, 30, 7) == second);
    CHECK(version_in(cache, 25, 7) == second);
    CHECK(version_in(cache, 20, 7) == first);
    CHECK(version_in(cache, 24, 7) == nullptr);
    CHECK(cache.versions() == 2);
}

TEST_CASE("what no open view can read is forgotten when a newer version comes, or when asked") {
    Views views;
    LookupCache cache(std::nullopt, views);
    views.open = {1, 2};
    add(cache, 1, record_of(7, 1));
    add(cache, 2, record_of(7, 2));
    CHECK(cache.versions() == 2);
    views.open = {2, 3};
    add(cache, 3, record_of(7, 3));
    CHECK(cache.versions() == 2);
    CHECK(version_in(cache, 1, 7) == nullptr);
    CHECK(version_in(cache, 2, 7) != nullptr);
    add(cache, 3, record_of(8, 3));
    views.open = {};
    cache.forget_unread();
    CHECK(cache.versions() == 0);
    CHECK(version_in(cache, 3, 7) == nullptr);
    CHECK(version_in(cache, 3, 8) == nullptr);
}

TEST_CASE("the table grows, keeps every version, and readers of an old one find what it had") {
    Views views;
    LookupCache cache(std::nullopt, views);
    views.open = {1};
    const LookupTable& old = cache.table();
    std::map<Dimension, CachedDimension*> expected;
    // Numbers as they come: one after the other, in steps, and random ones.
    std::mt19937_64 random(1);
    for (Dimension i = 0; i < 3000; ++i) {
        const auto any = static_cast<Dimension>(random());
        for (const Dimension dimension : {i, (i + 1) * 4096, any}) {
            if (!expected.contains(dimension)) {
                expected[dimension] = add(cache, 1, record_of(dimension, 1));
            }
        }
    }
    CHECK(&old != &cache.table());
    CHECK(cache.versions() == expected.size());
    std::size_t wrong = 0;
    std::size_t in_old = 0;
    for (const auto& [dimension, version] : expected) {
        wrong += version_in(cache, 1, dimension) == version ? 0 : 1;
        const LookupTable::Found found = old.find(1, dimension);
        in_old += found.entry != nullptr ? 1 : 0;
        wrong += found.entry == nullptr || found.entry->version.load() == version ? 0 : 1;
    }
    CHECK(wrong == 0);
    CHECK(in_old > 0);
    CHECK(cache.memory().used() >= expected.size() * sizeof(CachedDimension));
}

TEST_CASE("numbers in any steps take few probes, whatever the seed") {
    constexpr int bits = 12;
    constexpr std::uint64_t capacity = std::uint64_t{1} << bits;
    constexpr std::uint64_t count = capacity / 4;
    std::uint64_t most_probes = 0;
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        const SeededHash hash = SeededHash::of_seed(seed);
        for (const std::uint64_t step :
             {std::uint64_t{1}, std::uint64_t{64}, std::uint64_t{4096}, std::uint64_t{65'536},
              std::uint64_t{1} << 20, std::uint64_t{1} << 32, std::uint64_t{1} << 40,
              std::uint64_t{0x9E37'79B9'7F4A'7C15}}) {
            std::array<bool, capacity> taken{};
            std::uint64_t probes = 0;
            for (std::uint64_t i = 0; i < count; ++i) {
                std::uint64_t at = hash(i * step) >> (64 - bits);
                for (++probes; taken[at]; ++probes) {
                    at = (at + 1) % capacity;
                }
                taken[at] = true;
            }
            most_probes = std::max(most_probes, probes);
        }
    }
    CHECK(most_probes < count * 3 / 2);  // a random function: 1.17 each
}

TEST_CASE("generations beyond four milliards of the table's base are found") {
    Views views;
    LookupCache cache(std::nullopt, views);
    constexpr Generation late = Generation{7} << 32;
    views.open = {5, late};
    add(cache, 5, record_of(1, 5));
    CachedDimension* const second = add(cache, late, record_of(2, late - 1));
    CHECK(version_in(cache, late, 2) == second);
    CHECK(version_in(cache, late, 1) == nullptr);
    CHECK(version_in(cache, 5, 2) == nullptr);
    CHECK(cache.match(5, record_of(1, 5)) != nullptr);  // if no table finds it any more
}

TEST_CASE("memory: by default an eighth of the store, within bounds; given, just that") {
    CacheMemory by_default(std::nullopt);
    by_default.follow_store(80 << 20);
    CHECK(by_default.limit() == 10 << 20);
    by_default.follow_store(1);
    CHECK(by_default.limit() == CacheMemory::least_default);
    by_default.follow_store(std::uint64_t{1} << 40);
    CHECK(by_default.limit() == CacheMemory::default_limit);
    CHECK(by_default.take(CacheMemory::default_limit - 100));
    {
        // Of the process, not of each attachment.
        CacheMemory another(std::nullopt);
        another.follow_store(std::uint64_t{1} << 40);
        CHECK(another.available() <= 100);
        CHECK_FALSE(another.take(101));
    }
    CacheMemory given(1000);
    given.follow_store(80 << 20);
    CHECK(given.limit() == 1000);
    given.count(5000);  // what is needed in any case is only reported
    CHECK(given.take(1000));
    CHECK_FALSE(given.take(1));
    CHECK(given.used() == 6000);
    given.give_back(1000);
    CHECK(given.take(1000));
}

TEST_CASE("a handle of a dimension finds what the snapshot finds") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < 200; ++i) {
        batch.put({3, i}, std::to_string(i));
        batch.put({4, i * 0x1234'5678'9ABC}, std::to_string(i));
        batch.put(5, "name " + std::to_string(i), std::as_bytes(std::span("text", 4)));
    }
    batch.crystallize();
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    const DimensionView dense = snapshot.in(3);
    const DimensionView sparse = snapshot.in(4);
    const DimensionView named = snapshot.in(5);
    REQUIRE(dense);
    CHECK(dense.dimension() == 3);
    CHECK(dense.size() == 200);
    for (int round = 0; round < 3; ++round) {  // walked, then by lists
        for (std::uint64_t i = 0; i < 201; ++i) {
            const std::uint64_t far = i * 0x1234'5678'9ABC;
            const std::string name = "name " + std::to_string(i);
            CHECK(dense.find(i).data() == snapshot.find({3, i}).data());
            CHECK(sparse.find(far).data() == snapshot.find({4, far}).data());
            CHECK(named.find(name).data() == snapshot.find(5, name).data());
            CHECK(static_cast<bool>(dense.find(i)) == (i < 200));
            CHECK(static_cast<bool>(sparse.find(far)) == (i < 200));
            CHECK(static_cast<bool>(named.find(name)) == (i < 200));
        }
    }
    CHECK(version_in(*Access::view_of(snapshot)->cache, snapshot.generation(), 4)->sparse !=
          nullptr);
    std::vector<std::uint64_t> numbers = {199, 5, 200, 0};
    std::vector<Layer> out(4);
    dense.find(numbers, out);
    CHECK(out[0].text() == "199");
    CHECK_FALSE(out[2]);
    CHECK(out[3].text() == "0");
    std::uint64_t expected = 0;
    for (const Layer& layer : dense) {
        CHECK(layer.text() == std::to_string(expected++));
    }
    CHECK(expected == 200);
    CHECK(consumer.statistics().cached_dimensions == 3);
    CHECK(consumer.statistics().cached_lists == 3);
    CHECK(consumer.statistics().mapped_regions == 3);

    const DimensionView none = snapshot.in(99);
    CHECK_FALSE(none);
    CHECK(none.empty());
    CHECK_FALSE(none.find(1));
    CHECK_FALSE(none.find("name 1"));
    none.find(numbers, out);
    CHECK_FALSE(out[0]);
    CHECK(none.begin() == none.end());
    const Snapshot nothing;
    CHECK_FALSE(nothing.in(3));
    CHECK_FALSE(DimensionView().find(1));
}

TEST_CASE(
    "lists of dimensions that a commit did not change stay, and those that it did are right") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    constexpr Dimension dimensions = 40;
    constexpr std::uint64_t layers = 50;
    std::map<std::pair<Dimension, std::uint64_t>, std::string> expected;
    const auto number_of = [](Dimension dimension, std::uint64_t i) {
        return dimension % 2 == 0 ? i : i * 0x9E37'79B9'7F4A'7C15;
    };
    Batch batch = producer.batch();
    for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
        for (std::uint64_t i = 0; i < layers; ++i) {
            const std::uint64_t layer = number_of(dimension, i);
            batch.put({dimension * 4096, layer}, expected[{dimension * 4096, layer}] = "first");
        }
    }
    batch.crystallize();
    Consumer consumer = store.attach();
    const auto wrong_in = [&](const Snapshot& snapshot) {
        std::size_t wrong = 0;
        std::vector<LayerId> ids;
        for (const auto& [id, text] : expected) {
            wrong += snapshot.find({id.first, id.second}).text() == text ? 0 : 1;
            ids.push_back({id.first, id.second});
        }
        std::vector<Layer> many(ids.size());
        snapshot.find(ids, many);
        for (std::size_t i = 0; i < ids.size(); ++i) {
            wrong += many[i].data() == snapshot.find(ids[i]).data() ? 0 : 1;
        }
        return wrong;
    };
    (void)consumer.snapshot();
    CHECK(wrong_in(consumer.snapshot()) == 0);
    const std::uint64_t lists = consumer.statistics().cached_lists;
    CHECK(lists == dimensions);
    std::mt19937_64 random(3);
    for (int round = 0; round < 60; ++round) {
        const auto dimension = static_cast<Dimension>(random() % dimensions);
        const std::uint64_t layer = number_of(dimension, random() % (layers + 5));
        const std::pair<Dimension, std::uint64_t> id{dimension * 4096, layer};
        if (random() % 3 == 0 && expected.contains(id)) {
            batch.erase({id.first, id.second});
            expected.erase(id);
        } else {
            batch.put({id.first, id.second}, expected[id] = "round " + std::to_string(round));
        }
        batch.crystallize();
        const Snapshot snapshot = consumer.snapshot();
        CHECK(wrong_in(snapshot) == 0);
        CHECK_FALSE(snapshot.find({id.first, number_of(dimension, layers + 7)}));
    }
    CHECK(consumer.statistics().cached_lists >= lists);
}

TEST_CASE("a file that outgrows its mapping is mapped anew, and what is held stays") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 0}, "first");
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    const Layer first = held.get({1, 0});
    const std::string big(40'000, 'x');
    for (std::uint64_t i = 1; i <= 300; ++i) {
        publish(producer, {1, i}, big);
        const Snapshot snapshot = consumer.snapshot();
        for (int look = 0; look < 20; ++look) {  // by its list, which leads to the new mapping
            REQUIRE(snapshot.find({1, i}).text() == big);
            REQUIRE(snapshot.find({1, 0}).text() == "first");
        }
        REQUIRE(snapshot.find({1, i / 2 + 1}).verify());
    }
    CHECK(first.text() == "first");
    CHECK(first.verify());
    CHECK(held.find({1, 0}).data() == first.data());
    CHECK(consumer.statistics().mapped_regions == 1);
}
