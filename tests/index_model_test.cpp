// SPDX-License-Identifier: Apache-2.0
// The index against a shadow model: after every commit the store must hold exactly what a std::map
// holds, find it one by one and in groups, list it in order, and report exactly what changed. The
// seed is printed; STRATA_TEST_SEED=<number> replays it.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::payload_of;
using strata::test::TempStore;

namespace {

using Model = std::map<std::uint64_t, std::uint64_t>;  // layer -> version
using Random = std::mt19937_64;
using KeyMaker = std::uint64_t (*)(Random&);

constexpr Dimension dimension = 3;

std::uint64_t seed_of_this_run() {
    static const std::uint64_t seed = [] {
        const char* const given = std::getenv("STRATA_TEST_SEED");
        return given != nullptr ? std::strtoull(given, nullptr, 10)
                                : std::uint64_t{std::random_device()()};
    }();
    return seed;
}

std::size_t size_of(std::uint64_t key, std::uint64_t version) {
    return static_cast<std::size_t>((key * 31 + version * 17) % 90);
}
std::string content_of(std::uint64_t key, std::uint64_t version) {
    return payload_of(key, version, size_of(key, version));
}

// Dense numbers, as of a table.
std::uint64_t dense(Random& random) { return random() % 3000; }
// Any number at all, now and then the ends of the range; drawn again with some probability.
std::uint64_t sparse(Random& random) {
    switch (random() % 64) {
        case 0: return 0;
        case 1: return ~std::uint64_t{0};
        case 2: return std::uint64_t{1} << (random() % 64);
        case 3: return (std::uint64_t{1} << (random() % 64)) - 1;
        default: return (random() % 4096) * 0x9E3779B97F4A7C15ULL;
    }
}
// Clusters that share all but their last bits, with prefixes that share much with each other.
std::uint64_t clustered(Random& random) {
    const std::uint64_t low_bits = random() % 10;
    const std::uint64_t prefix = std::uint64_t{random() % 4} << (random() % 8 * 8);
    return (0xABCD'EF01'2345'0000ULL & ~(std::uint64_t{0xFFFF} << (random() % 3 * 16))) ^ prefix ^
           (random() & ((std::uint64_t{1} << low_bits) - 1));
}

void check_finds(const Snapshot& snapshot, const Model& model, Random& random, KeyMaker make_key) {
    std::vector<LayerId> ids;
    for (const auto& [key, version] : model) {
        ids.push_back({dimension, key});
    }
    for (int i = 0; i < 200; ++i) {  // most of them absent, some in a dimension that is not there
        ids.push_back({dimension + (i % 8 == 0 ? 1U : 0U), make_key(random) ^ (random() % 3)});
    }
    std::shuffle(ids.begin(), ids.end(), random);
    std::vector<Layer> batched(ids.size());
    snapshot.find(ids, batched);
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto expected =
            ids[i].dimension == dimension ? model.find(ids[i].layer) : model.end();
        const Layer single = snapshot.find(ids[i]);
        const bool there = expected != model.end();
        wrong += static_cast<bool>(single) != there || single.data() != batched[i].data() ||
                         single.size() != batched[i].size() ||
                         (there && (single.text() != content_of(ids[i].layer, expected->second) ||
                                    single.id() != ids[i]))
                     ? 1
                     : 0;
    }
    CHECK(wrong == 0);
}

void check_scan(const Snapshot& snapshot, const Model& model) {
    CHECK(snapshot.layer_count() == model.size());
    if (!snapshot.has_dimension(dimension)) {
        CHECK(model.empty());
        return;
    }
    CHECK(snapshot.dimensions().at(0).layers == model.size());
    const DimensionRange range = snapshot.dimension(dimension);
    CHECK(range.size() == model.size());
    auto expected = model.begin();
    std::size_t wrong = 0;
    for (auto it = range.begin(); it != range.end(); ++it, ++expected) {
        REQUIRE(expected != model.end());
        wrong += it.number() != expected->first || it->id().layer != expected->first ||
                         it->text() != content_of(expected->first, expected->second)
                     ? 1
                     : 0;
    }
    CHECK(wrong == 0);
    CHECK(expected == model.end());
}

struct Difference {
    std::uint64_t key;
    std::optional<std::uint64_t> before;
    std::optional<std::uint64_t> after;
};

std::vector<Difference> difference_of(const Model& before, const Model& after) {
    std::vector<Difference> result;
    auto b = before.begin();
    auto a = after.begin();
    while (b != before.end() || a != after.end()) {
        if (a == after.end() || (b != before.end() && b->first < a->first)) {
            result.push_back({b->first, b->second, {}});
            ++b;
        } else if (b == before.end() || a->first < b->first) {
            result.push_back({a->first, {}, a->second});
            ++a;
        } else {
            if (b->second != a->second) result.push_back({b->first, b->second, a->second});
            ++b;
            ++a;
        }
    }
    return result;
}

void check_changes(const Snapshot& old_snapshot, const Model& before, const Snapshot& new_snapshot,
                   const Model& after) {
    const auto expected = difference_of(before, after);
    const auto found = changes(old_snapshot, new_snapshot);
    REQUIRE(found.size() == expected.size());
    std::size_t wrong = 0;
    for (std::size_t i = 0; i < found.size(); ++i) {
        const Difference& e = expected[i];
        const Change& c = found[i];
        const auto kind = !e.before  ? Change::Kind::added
                          : !e.after ? Change::Kind::removed
                                     : Change::Kind::updated;
        const auto right = [&](const Layer& layer, const std::optional<std::uint64_t>& version) {
            return static_cast<bool>(layer) == version.has_value() &&
                   (!version || layer.text() == content_of(e.key, *version));
        };
        wrong += c.id != LayerId{dimension, e.key} || c.kind != kind ||
                         !right(c.before, e.before) || !right(c.after, e.after)
                     ? 1
                     : 0;
    }
    CHECK(wrong == 0);
}

// One batch of `size` random changes, in the store and in the model. `erase_share` out of 100.
void change(Producer& producer, Model& model, Random& random, KeyMaker make_key, std::size_t size,
            unsigned erase_share) {
    Batch batch = producer.batch();
    for (std::size_t i = 0; i < size; ++i) {
        std::uint64_t key = make_key(random);
        if (random() % 100 < erase_share) {
            // Mostly one that is there.
            if (const auto near = model.lower_bound(key);
                near != model.end() && random() % 8 != 0) {
                key = near->first;
            }
            batch.erase({dimension, key});
            model.erase(key);
        } else {
            const std::uint64_t version = producer.generation() * 1000 + i;
            batch.put({dimension, key}, content_of(key, version));
            model[key] = version;
        }
    }
    batch.crystallize();
}

void run(std::uint64_t seed, KeyMaker make_key) {
    Random random(seed);
    const TempStore store;
    std::optional<Producer> producer = store.create();
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    Consumer consumer = Consumer::attach(store.name(), options);
    {
        Batch batch = producer->batch();
        batch.add_dimension(dimension);
        batch.crystallize();
    }
    producer->trim();
    const ProducerStats baseline = producer->stats();
    Model model;
    Model older;
    Snapshot held = consumer.snapshot();
    for (int step = 0; step < 120; ++step) {
        const Snapshot before = consumer.snapshot();
        const Model model_before = model;
        constexpr std::size_t sizes[] = {1, 1, 2, 7, 64, 300, 1000};
        // Grows for a while, then shrinks to nothing, and again.
        change(*producer, model, random, make_key, sizes[random() % std::size(sizes)],
               step % 60 < 30 ? 25 : 85);
        if (step % 17 == 16) {
            producer.reset();
            producer.emplace(store.open());
        }
        const Snapshot after = consumer.snapshot();
        check_changes(before, model_before, after, model);
        if (step % 5 == 0) {
            check_finds(after, model, random, make_key);
            check_scan(after, model);
            check_scan(held, older);
            check_changes(held, older, after, model);
            check_changes(after, model, held, older);  // either may be the older one
            check_changes(Snapshot(), {}, after, model);
            check_changes(after, model, Snapshot(), {});
        }
        if (step % 23 == 0) {
            held = after;
            older = model;
        }
    }
    held = Snapshot();
    while (!model.empty()) {
        Batch batch = producer->batch();
        while (!model.empty() && batch.size() < 100) {
            batch.erase({dimension, model.begin()->first});
            model.erase(model.begin());
        }
        batch.crystallize();
    }
    check_scan(consumer.snapshot(), model);
    producer->trim();
    const ProducerStats end = producer->stats();
    CHECK(end.live_bytes == baseline.live_bytes);
    CHECK(end.committed_bytes == baseline.committed_bytes);
    CHECK(end.limbo_bytes == 0);
    CHECK(store.allocated_bytes() == end.committed_bytes);
}

void run_seeded(KeyMaker make_key) {
    const std::uint64_t seed = seed_of_this_run();
    INFO("STRATA_TEST_SEED=" << seed);
    MESSAGE("STRATA_TEST_SEED=" << seed);
    run(seed, make_key);
}

}  // namespace

TEST_CASE("dense layer numbers behave as a map, and leave nothing when all are erased") {
    run_seeded(dense);
}
TEST_CASE("sparse 64-bit numbers, both ends included, behave as a map and leave nothing") {
    run_seeded(sparse);
}
TEST_CASE("numbers in clusters with long common prefixes behave as a map and leave nothing") {
    run_seeded(clustered);
}

TEST_CASE("the two ends of the number range, alone and together") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    constexpr std::uint64_t last = ~std::uint64_t{0};
    Model model;
    const auto apply = [&](std::optional<std::uint64_t> put, std::optional<std::uint64_t> erase) {
        const Model before = model;
        const Snapshot old_snapshot = consumer.snapshot();
        Batch batch = producer.batch();
        if (put) {
            batch.put({dimension, *put}, content_of(*put, producer.generation()));
            model[*put] = producer.generation();
        }
        if (erase) {
            batch.erase({dimension, *erase});
            model.erase(*erase);
        }
        batch.crystallize();
        const Snapshot snapshot = consumer.snapshot();
        check_scan(snapshot, model);
        check_changes(old_snapshot, before, snapshot, model);
        for (const std::uint64_t key : {std::uint64_t{0}, std::uint64_t{63}, last, last - 1}) {
            CHECK(static_cast<bool>(snapshot.find({dimension, key})) == model.contains(key));
        }
    };
    apply(0, {});
    apply(last, {});
    apply({}, 0);
    apply(0, last);
    apply(63, 0);
    apply(last, 63);
    apply(last - 1, {});
    apply({}, last);
    apply({}, last - 1);
    CHECK(model.empty());
}

TEST_CASE("a change costs as many index blocks as the tree is high, not as it has layers") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < 20'000; ++i) {
        batch.put({dimension, i}, "");
    }
    batch.crystallize();
    const std::uint64_t before = producer.stats().allocations;
    batch.put({dimension, 12'345}, "x");
    batch.crystallize();
    // The layer, three nodes, the dimension's record, one directory node at most, the root.
    CHECK(producer.stats().allocations - before <= 7);
}
