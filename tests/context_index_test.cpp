// SPDX-License-Identifier: Apache-2.0
// ContextIndex against a plain scan: built, then brought up to date over random changes.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "consumer/lookup/sorted_blocks.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

std::vector<std::uint64_t> numbers(const std::vector<Layer>& layers) {
    std::vector<std::uint64_t> result;
    for (const Layer& layer : layers)
        result.push_back(layer.id().layer);
    return result;
}

template <class Accept>
std::vector<std::uint64_t> scan(const Snapshot& snapshot, Dimension dimension, Accept accept) {
    std::vector<std::pair<double, std::uint64_t>> found;
    if (snapshot.has_dimension(dimension)) {
        for (const Layer& layer : snapshot.dimension(dimension)) {
            if (accept(layer)) found.emplace_back(layer.frequency(), layer.id().layer);
        }
    }
    std::vector<std::uint64_t> result;
    std::sort(found.begin(), found.end());
    for (const auto& [frequency, layer] : found)
        result.push_back(layer);
    return result;
}

void check_against_scan(const ContextIndex& index, const std::vector<std::string>& words) {
    const Snapshot& snapshot = index.snapshot();
    for (const std::string& word : words) {
        auto expected = scan(snapshot, index.dimension(), [&](const Layer& layer) {
            const auto keywords = layer.keywords();
            return std::find(keywords.begin(), keywords.end(), word) != keywords.end();
        });
        std::sort(expected.begin(), expected.end());
        REQUIRE(numbers(index.with_keyword(word)) == expected);
        REQUIRE(index.count_keyword(word) == expected.size());
    }
    const double infinity = std::numeric_limits<double>::infinity();
    for (const auto& bounds : {std::pair(-infinity, infinity), std::pair(1.0, 2.0),
                               std::pair(3.0, 3.0), std::pair(5.0, 4.0)}) {
        const double low = bounds.first;
        const double high = bounds.second;
        const auto expected = scan(snapshot, index.dimension(), [&](const Layer& layer) {
            return layer.frequency() >= low && layer.frequency() <= high;
        });
        REQUIRE(numbers(index.with_frequency(low, high)) == expected);
        REQUIRE(index.count_frequency(low, high) == expected.size());
    }
}

}  // namespace

TEST_CASE("built from a snapshot, then updated, it answers as a scan does") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    std::vector<std::string> words;
    for (int i = 0; i < 30; ++i)
        words.push_back("word" + std::to_string(i));
    std::mt19937_64 random(11);
    const auto change = [&](int count) {
        Batch batch = producer.batch();
        for (int i = 0; i < count; ++i) {
            const LayerId id{static_cast<Dimension>(1 + random() % 2), random() % 2000};
            if (random() % 4 == 0) {
                batch.erase(id);
                continue;
            }
            LayerOptions options;
            options.frequency = random() % 50 == 0 ? std::nan("") : double(random() % 60) / 10;
            for (std::uint64_t k = random() % 4; k > 0; --k) {
                options.keywords.push_back(words[std::min(random() % 30, random() % 30)]);
            }
            batch.put(id, "x", options);
        }
        batch.crystallize();
    };
    ContextIndex empty(consumer.snapshot(), 1);  // the dimension comes later
    CHECK(empty.keywords().empty());
    CHECK(empty.with_keyword("word1").empty());
    change(3000);
    ContextIndex index(consumer.snapshot(), 1);
    check_against_scan(index, words);
    for (int round = 0; round < 20; ++round) {
        const Snapshot before = index.snapshot();
        change(200);
        CHECK(index.update(consumer.snapshot()) == changes(before, consumer.snapshot(), 1).size());
        check_against_scan(index, words);
    }
    empty.update(consumer.snapshot());
    check_against_scan(empty, words);
    CHECK(empty.keywords() == index.keywords());
    CHECK(index.update(consumer.snapshot()) == 0);

    Batch batch = producer.batch();
    batch.remove_dimension(1);
    batch.crystallize();
    const std::size_t full = index.memory_bytes();
    index.update(consumer.snapshot());
    check_against_scan(index, words);
    CHECK(index.keywords().empty());
    CHECK(index.memory_bytes() < full / 4);
    CHECK(std::is_nothrow_move_constructible_v<ContextIndex>);

    const TempStore other;
    Producer second = other.create();
    Consumer stranger = other.attach();
    CHECK(code_of([&] { index.update(stranger.snapshot()); }) == "invalid_argument");
}

TEST_CASE("sorted blocks: any order of changes, memory comes back") {
    consumer_impl::SortedBlocks<std::uint64_t> blocks;
    std::vector<std::uint64_t> model;
    std::mt19937_64 random(3);
    const auto all = [&] {
        std::vector<std::uint64_t> keys;
        blocks.for_range(0, ~std::uint64_t{0}, [&](std::span<const std::uint64_t> part) {
            keys.insert(keys.end(), part.begin(), part.end());
        });
        return keys;
    };
    for (int round = 0; round < 20; ++round) {
        for (int i = 0; i < 2000; ++i) {
            const std::uint64_t key = random() % 5000;
            const auto at = std::lower_bound(model.begin(), model.end(), key);
            const bool present = at != model.end() && *at == key;
            if (random() % 2 == 0) {
                blocks.insert(key);
                if (!present) model.insert(at, key);
            } else {
                blocks.erase(key);
                if (present) model.erase(at);
            }
        }
        REQUIRE(all() == model);
        REQUIRE(blocks.size() == model.size());
    }
    for (const std::uint64_t key : std::vector(model))
        blocks.erase(key);
    CHECK(all().empty());
    blocks.erase(1);
    std::vector<std::uint64_t> many(100'000);
    for (std::size_t i = 0; i < many.size(); ++i)
        many[i] = 2 * i;
    blocks.assign(many);
    CHECK(all() == many);
    CHECK(blocks.memory_bytes() < many.size() * 8 * 3 / 2);
}
