// SPDX-License-Identifier: Apache-2.0
// Boost.Interprocess containers as payloads, read in place from a read-only mapping.
#include <string>
#include <string_view>

#include <boost/interprocess/containers/map.hpp>
#include <boost/interprocess/containers/string.hpp>
#include <boost/interprocess/containers/vector.hpp>
#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"
#include <strata/interprocess.hpp>
#include <strata/strata.hpp>

namespace {

namespace bip = boost::interprocess;
using strata::interprocess::Allocator;
using strata::interprocess::Builder;
using strata::interprocess::View;

using Text = bip::basic_string<char, std::char_traits<char>, Allocator<char>>;
using Numbers = bip::vector<double, Allocator<double>>;

struct Less {
    using is_transparent = void;
    static std::string_view view(const Text& text) { return {text.data(), text.size()}; }
    static std::string_view view(std::string_view text) { return text; }
    template <class A, class B>
    bool operator()(const A& a, const B& b) const {
        return view(a) < view(b);
    }
};
using Table = bip::map<Text, Numbers, Less, Allocator<std::pair<const Text, Numbers>>>;

}  // namespace

TEST_CASE("interprocess: a map of vectors is read in place by a consumer") {
    const strata::test::TempStore store;
    auto producer = strata::Producer::create("maps", store.producer_options());
    const std::string long_key(100, 'k');
    auto batch = producer.batch();
    {
        Builder builder(64 << 10);
        auto& table = builder.construct<Table>("table", Less(), Allocator<void>(builder.manager()));
        for (const std::string& key : {std::string("one"), std::string("two"), long_key}) {
            Numbers numbers(Allocator<double>(builder.manager()));
            for (std::size_t i = 0; i < key.size(); ++i) {
                numbers.push_back(static_cast<double>(i) * 0.5);
            }
            table.emplace(Text(key.c_str(), Allocator<char>(builder.manager())),
                          std::move(numbers));
        }
        builder.put(batch, {1, 1});
    }  // the private memory is gone
    batch.put({1, 2}, "plain bytes");
    batch.crystallize();

    auto consumer = strata::Consumer::attach("maps", store.consumer_options());
    const strata::Snapshot snapshot = consumer.snapshot();
    const View view(snapshot.get({1, 1}));
    const Table* const table = view.find<Table>("table");
    REQUIRE(table != nullptr);
    CHECK(table->size() == 3);
    const auto found = table->find(std::string_view(long_key));
    REQUIRE(found != table->end());
    CHECK(found->second.size() == long_key.size());
    CHECK(found->second.back() == doctest::Approx(49.5));
    CHECK(view.find<Table>("no such object") == nullptr);
    CHECK_THROWS_AS(View(snapshot.get({1, 2})), strata::Error);
    CHECK_THROWS_AS(View{strata::Layer{}}, strata::Error);
}

TEST_CASE("interprocess: a builder that is full says so and can still be published") {
    const strata::test::TempStore store;
    auto producer = strata::Producer::create("full", store.producer_options());
    Builder builder(4096);
    auto& numbers = builder.construct<Numbers>("n", Allocator<double>(builder.manager()));
    CHECK_THROWS(numbers.resize(10'000));  // length_error or bad_alloc, as Boost sees it
    numbers.push_back(1.5);
    auto batch = producer.batch();
    builder.put(batch, {1, 1});
    batch.crystallize();
    auto consumer = strata::Consumer::attach("full", store.consumer_options());
    const strata::Snapshot snapshot = consumer.snapshot();
    const View view(snapshot.get({1, 1}));
    REQUIRE(view.find<Numbers>("n") != nullptr);
    CHECK(view.find<Numbers>("n")->front() == doctest::Approx(1.5));
}
