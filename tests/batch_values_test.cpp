// SPDX-License-Identifier: Apache-2.0
// Values of types that a layer knows: put, loaned and read as what they are, and as nothing else.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "strata/batch.hpp"
#include "tests/support/quote.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::is_aligned;
using strata::test::Quote;
using strata::test::TempStore;

namespace {

struct Trade {
    std::int64_t price;
    std::int32_t size;
    std::int32_t venue;
};
struct Named {
    static constexpr std::string_view strata_type_name = "Reading";
    std::int32_t value;
};
struct Numbered {
    static constexpr std::uint64_t strata_type_tag = 0xABC;
    std::int64_t value;
};
struct alignas(128) Wide {
    double values[16];
};

}  // namespace

TEST_CASE("values and arrays are read as the type that was stored, and as no other") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    batch.put_value({1, 1}, Quote{100, 2, 3});
    batch.put_value({1, 2}, Wide{{1.5}});
    const std::vector<Quote> quotes = {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}};
    batch.put_values<Quote>({1, 3}, quotes);
    batch.put_values<Quote>({1, 4}, {});
    batch.put({1, 5}, "sixteen bytes...");
    batch.crystallize();

    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.get({1, 1}).as<Quote>().price == 100);
    CHECK(snapshot.get({1, 2}).as<Wide>().values[0] == 1.5);
    CHECK(is_aligned(snapshot.get({1, 2}), alignof(Wide)));
    const auto span = snapshot.get({1, 3}).as_span<Quote>();
    REQUIRE(span.size() == 3);
    CHECK(span[2].venue == 9);
    CHECK(snapshot.get({1, 4}).as_span<Quote>().empty());

    const auto mismatch = [&](LayerId id, auto read) {
        return code_of([&] { read(snapshot.get(id)); });
    };
    CHECK(mismatch({1, 1}, [](Layer l) { (void)l.as<Trade>(); }) == "type_mismatch");
    CHECK(mismatch({1, 1}, [](Layer l) { (void)l.as_span<Quote>(); }) == "type_mismatch");
    CHECK(mismatch({1, 3}, [](Layer l) { (void)l.as<Quote>(); }) == "type_mismatch");
    CHECK(mismatch({1, 3}, [](Layer l) { (void)l.as_span<Trade>(); }) == "type_mismatch");
    CHECK(mismatch({1, 5}, [](Layer l) { (void)l.as<Quote>(); }) == "type_mismatch");
    CHECK(code_of([] { (void)Layer().as<Quote>(); }) == "layer_not_found");
    CHECK(code_of([] { (void)Layer().as_span<Quote>(); }) == "layer_not_found");
}

TEST_CASE("arrays are put from any contiguous range, and numbers found from a list") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    std::vector<std::uint16_t> vector{1, 2};
    const std::array<std::uint16_t, 2> array{3, 4};
    std::uint16_t plain[] = {5, 6};
    batch.put_values({1, 1}, vector);
    batch.put_values({1, 2}, array);
    batch.put_values({1, 3}, plain);
    batch.put_values({1, 4}, std::span(vector).first(1));
    batch.put_values({1, 5}, std::span<const std::uint16_t>(array));
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    std::array<Layer, 6> found;
    snapshot.find(1, {1, 2, 3, 4, 5, 6}, found);
    const std::uint16_t expected[][2] = {{1, 2}, {3, 4}, {5, 6}, {1, 0}, {3, 4}};
    for (std::size_t i = 0; i < 5; ++i) {
        CAPTURE(i);
        const auto values = found[i].as_span<std::uint16_t>();
        REQUIRE(values.size() == (i == 3 ? 1 : 2));
        CHECK(std::equal(values.begin(), values.end(), expected[i]));
    }
    CHECK_FALSE(found[5]);
}

TEST_CASE("a layer says whether it is of a type, and how it is aligned") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    batch.put_value({1, 1}, Quote{100, 2, 3});
    batch.put_values({1, 2}, {Quote{1, 2, 3}});
    batch.put({1, 3}, "sixteen bytes...", {.alignment = 1024});
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    const Layer value = snapshot.get({1, 1});
    CHECK(value.is<Quote>());
    CHECK_FALSE(value.is<Quote[]>());
    CHECK_FALSE(value.is<Trade>());
    CHECK(snapshot.get({1, 2}).is<Quote[]>());
    CHECK_FALSE(snapshot.get({1, 2}).is<Quote>());
    CHECK_FALSE(snapshot.get({1, 3}).is<Quote>());
    CHECK_FALSE(Layer().is<Quote>());
    CHECK(snapshot.get({1, 3}).alignment() >= 1024);
    CHECK(value.alignment() >= 8);
    CHECK(value.alignment() <= 4096);
    CHECK(Layer().alignment() == 0);
    try {
        static_cast<void>(value.as<double>());
        FAIL("no error");
    } catch (const Error& error) {
        const std::string text = error.what();
        CAPTURE(text);
        CHECK(text.find("read layer as f64") != std::string::npos);
        CHECK(text.find("layer 1 of dimension 1") != std::string::npos);
        CHECK(text.find("16 bytes") != std::string::npos);
    }
}

TEST_CASE("type tags are made of a documented text, the same for every spelling of a type") {
    CHECK(type_tag<unsigned long>() == type_tag<unsigned long long>());
    CHECK(type_tag<long>() == type_tag<std::int64_t>());
    CHECK(type_tag<const int>() == type_tag<std::int32_t>());
    CHECK(type_tag<int>() != type_tag<unsigned>());
    CHECK(type_tag<int>() != type_tag<float>());
    CHECK(type_tag<int>() != type_tag<int[]>());
    CHECK(type_tag<char>() != type_tag<signed char>());
    CHECK(type_tag<Quote>() != type_tag<Trade>());
    // FNV-1a of the texts, worked out by other means.
    CHECK(type_tag<double>() == 0x9F7F19CFB713A93B);
    CHECK(type_tag<std::uint32_t[]>() == 0x5486A41898746DF9);
    CHECK(type_tag<Named>() == 0x433012157EFEF27B);
    CHECK(type_tag<Numbered>() == type_tag_of("#0000000000000abc", 8, 8));
    CHECK(type_tag_text(type_tag<double>()) == "f64");
    CHECK(type_tag_text(type_tag<std::uint32_t[]>()) == "u32[]");
    CHECK(type_tag_text(0) == "plain bytes");
    CHECK(type_tag_text(0xABC) == "type 0x0000000000000abc");
}
