// SPDX-License-Identifier: Apache-2.0
// One batch: what is put comes back byte for byte, and what is dropped leaves no trace.
#include "strata/batch.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/quote.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::is_aligned;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::Quote;
using strata::test::TempStore;

TEST_CASE("a layer comes back with its bytes, frequency, keywords, id and generation") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    CHECK(batch.empty());
    batch.put({7, 42}, "payload", {.frequency = 440.5, .keywords = {"emotion", "", "feeling"}});
    CHECK(batch.size() == 1);
    CHECK(batch.crystallize() == 2);
    CHECK(batch.empty());

    const Snapshot snapshot = store.attach().snapshot();
    const Layer layer = snapshot.get({7, 42});
    CHECK(layer->text() == "payload");
    CHECK(layer->id() == LayerId{7, 42});
    CHECK(layer->generation() == 2);
    CHECK(layer->frequency() == 440.5);
    CHECK(layer->keywords() == std::vector<std::string_view>{"emotion", "", "feeling"});
    CHECK(layer->name().empty());
    CHECK(layer->type_tag() == 0);
    CHECK(layer->verify());
}

TEST_CASE("odd frequencies survive bit for bit") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    const std::array values = {0.0, -0.0, 1e-308, -std::numeric_limits<double>::infinity(),
                               std::numeric_limits<double>::quiet_NaN()};
    for (std::size_t i = 0; i < values.size(); ++i) {
        batch.put({1, i}, "", {.frequency = values[i]});
    }
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    for (std::size_t i = 0; i < values.size(); ++i) {
        const double found = snapshot.get({1, i}).frequency();
        CHECK(std::memcmp(&found, &values[i], sizeof(double)) == 0);
    }
}

TEST_CASE("every payload size around the allocator's and the format's steps comes back") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    std::vector<std::size_t> sizes;
    for (const std::size_t step : {std::size_t{0}, std::size_t{1}, std::size_t{8}, std::size_t{64},
                                   std::size_t{512}, std::size_t{4096}, std::size_t{65536}}) {
        for (const std::size_t delta : {std::size_t{0}, std::size_t{1}, std::size_t{63}}) {
            sizes.push_back(step + delta);
            sizes.push_back(step > delta ? step - delta : 0);
        }
    }
    Batch batch = producer.batch();
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        batch.put({1, i}, payload_of(i, 0, sizes[i]), {.keywords = {"k"}});
    }
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        const Layer layer = snapshot.get({1, i});
        CHECK(layer.text() == payload_of(i, 0, sizes[i]));
        CHECK(layer.keywords() == std::vector<std::string_view>{"k"});
        CHECK(layer.verify());
    }
}

TEST_CASE("a zero-length layer exists; it is not an absent one") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "");
    const Snapshot snapshot = store.attach().snapshot();
    const Layer layer = snapshot.find({1, 1});
    CHECK(layer);
    CHECK(layer.size() == 0);
    CHECK(layer.text().empty());
    CHECK(layer.keywords().empty());
    CHECK(layer.verify());
    CHECK_FALSE(snapshot.find({1, 2}));
}

TEST_CASE("payloads of 16 MiB and more, whose size does not fit the index entry, come back") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    constexpr std::size_t limit = 0xFFFFFF;  // what the entry can say
    Batch batch = producer.batch();
    for (std::size_t i = 0; i < 3; ++i) {
        const std::size_t size = limit - 1 + i;
        const Loan loan = batch.loan({1, i}, size, {.keywords = {"big"}});
        REQUIRE(loan.size() == size);
        std::memset(loan.data(), static_cast<int>('a' + i), size);
    }
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    std::array<LayerId, 3> ids{LayerId{1, 0}, LayerId{1, 1}, LayerId{1, 2}};
    std::array<Layer, 3> batched{};
    snapshot.find(ids, batched);
    std::uint64_t seen = 0;
    for (const Layer layer : snapshot.dimension(1)) {
        CHECK(layer.size() == limit - 1 + seen);
        CHECK(batched[seen].data() == layer.data());
        CHECK(batched[seen].size() == layer.size());
        CHECK(layer.text().find_first_not_of(static_cast<char>('a' + seen)) ==
              std::string_view::npos);
        CHECK(layer.keywords() == std::vector<std::string_view>{"big"});
        CHECK(layer.verify());
        ++seen;
    }
    CHECK(seen == 3);
}

TEST_CASE("a payload lies at the alignment that was asked for") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    constexpr std::size_t sizes[] = {0, 1, 100, 5000};
    std::uint64_t number = 0;
    for (std::size_t alignment = 8; alignment <= 4096; alignment *= 2) {
        for (const std::size_t size : sizes) {
            batch.put({1, number}, payload_of(number, 0, size),
                      {.keywords = {"a", "b"}, .alignment = alignment});
            ++number;
        }
    }
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    number = 0;
    for (std::size_t alignment = 8; alignment <= 4096; alignment *= 2) {
        for (const std::size_t size : sizes) {
            const Layer layer = snapshot.get({1, number});
            CHECK(is_aligned(layer, alignment));
            CHECK(layer.text() == payload_of(number, 0, size));
            CHECK(layer.verify());
            ++number;
        }
    }
    for (const std::size_t wrong : std::initializer_list<std::size_t>{0, 1, 4, 96, 8192}) {
        CHECK(code_of([&] { batch.put({1, 0}, "x", {.alignment = wrong}); }) == "invalid_argument");
    }
    CHECK(batch.empty());
}

TEST_CASE("a loan is filled in place and sealed when it is published") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    const Loan loan = batch.loan({2, 9}, 1000, {.frequency = 2, .keywords = {"k"}});
    CHECK(loan.id() == LayerId{2, 9});
    const std::string text = payload_of(2, 9, 1000);
    std::memcpy(loan.data(), text.data(), text.size());
    batch.put({2, 10}, "another one");
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.get({2, 9}).text() == text);
    CHECK(snapshot.get({2, 9}).verify());
}

TEST_CASE("named layers have every way in that numbered ones have") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    const LayerId text = batch.put(3, "text", "flour", {.keywords = {"k"}});
    batch.put_value(3, "quote", Quote{100, 2, 3});
    batch.put_values(3, "vector", std::vector<Quote>{{1, 2, 3}, {4, 5, 6}});
    batch.put_values(3, "list", {1.5, 2.5});
    const Loan loan = batch.loan(3, "loan", 4, {.frequency = 2});
    std::memcpy(loan.data(), "abcd", 4);
    batch.put(3, "gone", "soon");
    batch.erase(3, "gone");
    batch.crystallize();
    CHECK(text == LayerId{3, layer_number("text")});
    CHECK(loan.id() == LayerId{3, layer_number("loan")});
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.get(3, "text").text() == "flour");
    CHECK(snapshot.get(3, "quote").as<Quote>().venue == 3);
    CHECK(snapshot.get(3, "vector").as_span<Quote>()[1].price == 4);
    CHECK(snapshot.get(3, "list").as_span<double>()[1] == 2.5);
    CHECK(snapshot.get(3, "loan").text() == "abcd");
    CHECK(snapshot.get(3, "loan").name() == "loan");
    CHECK(snapshot.get(3, "loan").verify());
    CHECK_FALSE(snapshot.find(3, "gone"));
    CHECK(code_of([&] { (void)batch.loan(3, "", 4); }) == "invalid_argument");
    CHECK(code_of([&] { batch.put(3, "", "text"); }) == "invalid_argument");
    CHECK(code_of([&] { batch.put_value(3, "", 1); }) == "invalid_argument");
    CHECK(batch.empty());
}

TEST_CASE("a named layer is found by its name and by its number") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    const std::string long_name(max_layer_name_bytes, 'n');
    Batch batch = producer.batch();
    const LayerId id =
        batch.put(5, "kalman gain", std::as_bytes(std::span("abc", 3)), {.keywords = {"control"}});
    batch.put(5, long_name, {});
    CHECK(code_of([&] { batch.put(5, long_name + "x", {}); }) == "invalid_argument");
    CHECK(code_of([&] { batch.put(5, "", {}); }) == "invalid_argument");
    CHECK(batch.size() == 2);
    batch.crystallize();
    CHECK(id == LayerId{5, layer_number("kalman gain")});

    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.find(5, "kalman gain").text() == "abc");
    CHECK(snapshot.find(id).name() == "kalman gain");
    CHECK(snapshot.find(id).keywords() == std::vector<std::string_view>{"control"});
    CHECK(snapshot.get(5, long_name).name() == long_name);
    CHECK_FALSE(snapshot.find(5, "kalman"));
    CHECK_FALSE(snapshot.find(6, "kalman gain"));
    batch.erase(5, "kalman gain");
    batch.crystallize();
    CHECK_FALSE(consumer.snapshot().find(5, "kalman gain"));
    CHECK(snapshot.find(5, "kalman gain"));
}

TEST_CASE("the last change of a layer wins") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    batch.put({1, 1}, "first");
    batch.put({1, 2}, "put, then erased");
    batch.put({1, 3}, "old");
    batch.erase({1, 4});
    (void)batch.loan({1, 1}, 5);
    batch.put({1, 1}, "last");
    batch.erase({1, 2});
    const Loan loan = batch.loan({1, 3}, 3);
    std::memcpy(loan.data(), "new", 3);
    batch.put({1, 4}, "erased, then put");
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.layer_count() == 3);
    CHECK(snapshot.get({1, 1}).text() == "last");
    CHECK_FALSE(snapshot.find({1, 2}));
    CHECK(snapshot.get({1, 3}).text() == "new");
    CHECK(snapshot.get({1, 3}).verify());
    CHECK(snapshot.get({1, 4}).text() == "erased, then put");
}

TEST_CASE("an empty batch, and one that erases what is not there, publish nothing") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    Batch batch = producer.batch();
    CHECK(batch.crystallize() == 2);
    batch.erase({1, 2});
    batch.erase({9, 9});
    batch.remove_dimension(8);
    CHECK(batch.crystallize() == 2);
    CHECK(batch.empty());
    CHECK(producer.stats().commits == 1);
}

TEST_CASE("an abandoned batch leaves no trace: neither bytes nor files nor dimensions") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "kept");
    producer.trim();
    const ProducerStats before = producer.stats();
    const std::uint64_t allocated = store.allocated_bytes();
    for (const bool clear : {false, true}) {
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < 500; ++i) {
            batch.put({1 + static_cast<Dimension>(i % 3), i}, payload_of(i, 0, 700));
        }
        (void)batch.loan({4, 1}, 1 << 20);
        batch.add_dimension(5, "five");
        batch.erase({1, 1});
        CHECK(producer.stats().committed_bytes > before.committed_bytes + (1 << 20));
        CHECK(store.region_files() == 5);
        if (clear) {
            batch.clear();
            CHECK(batch.empty());
            CHECK(batch.crystallize() == 2);
        }
    }
    CHECK(store.region_files() == 1);
    producer.trim();
    const ProducerStats after = producer.stats();
    CHECK(after.committed_bytes == before.committed_bytes);
    CHECK(after.live_bytes == before.live_bytes);
    CHECK(after.generation == before.generation);
    CHECK(store.allocated_bytes() == allocated);
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.dimension_count() == 1);
    CHECK(snapshot.get({1, 1}).text() == "kept");
}

TEST_CASE("keywords beyond the format's limits are refused and change nothing") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    const std::string fits(64_KiB, 'k');
    const std::string too_long = fits + "k";
    CHECK(code_of([&] { batch.put({1, 1}, "x", {.keywords = {too_long}}); }) == "invalid_argument");
    LayerOptions options;
    options.keywords.assign(65536, "a");
    CHECK(code_of([&] { batch.put({1, 1}, "x", options); }) == "invalid_argument");
    CHECK(batch.empty());
    options.keywords.pop_back();
    options.keywords.back() = fits;
    batch.put({1, 1}, "x", options);
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    const auto keywords = snapshot.get({1, 1}).keywords();
    REQUIRE(keywords.size() == 65535);
    CHECK(keywords.front() == "a");
    CHECK(keywords.back() == fits);
}

TEST_CASE("many threads prepare and crystallize batches; every commit is a generation of its own") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    constexpr std::uint64_t thread_count = 6;
    constexpr std::uint64_t rounds = 40;
    std::vector<std::thread> threads;
    std::vector<std::vector<Generation>> generations(thread_count);
    for (std::uint64_t t = 0; t < thread_count; ++t) {
        threads.emplace_back([&, t] {
            for (std::uint64_t round = 0; round < rounds; ++round) {
                Batch batch = producer.batch();
                // A dimension of its own, and one that all share.
                batch.put({100 + static_cast<Dimension>(t), round}, payload_of(t, round, 300));
                batch.put({1, t}, payload_of(t, round, 200));
                if (round % 4 == 3) continue;  // abandoned
                generations[t].push_back(batch.crystallize());
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    std::vector<Generation> all;
    for (const auto& own : generations) {
        CHECK(std::is_sorted(own.begin(), own.end()));
        all.insert(all.end(), own.begin(), own.end());
    }
    std::sort(all.begin(), all.end());
    std::vector<Generation> expected(thread_count * rounds * 3 / 4);
    std::iota(expected.begin(), expected.end(), Generation{2});
    CHECK(all == expected);
    const Snapshot snapshot = store.attach().snapshot();
    for (std::uint64_t t = 0; t < thread_count; ++t) {
        CHECK(snapshot.get({1, t}).text() == payload_of(t, rounds - 2, 200));
        for (std::uint64_t round = 0; round < rounds; ++round) {
            const Layer layer = snapshot.find({100 + static_cast<Dimension>(t), round});
            CHECK(static_cast<bool>(layer) == (round % 4 != 3));
            CHECK((!layer || layer.text() == payload_of(t, round, 300)));
        }
    }
}
