// SPDX-License-Identifier: Apache-2.0
// What a batch does to whole dimensions: adding, naming, clearing.
#include <cstdint>
#include <map>
#include <string>

#include <doctest/doctest.h>

#include "strata/batch.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::publish;
using strata::test::TempStore;

TEST_CASE("dimensions are added and found by name; one that nobody named is D and its number") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    batch.put({1, 1}, "unnamed");
    batch.put({7, 1}, "unnamed");
    const Dimension orders = batch.add_dimension("Orders");
    CHECK(orders == dimension_number("Orders"));
    CHECK(batch.add_dimension("Orders") == orders);
    batch.put(orders, "first", "1");
    batch.crystallize();
    CHECK(batch.add_dimension("Orders") == orders);
    CHECK(batch.add_dimension("D7") == 7);
    CHECK(batch.empty());                        // both are there
    CHECK(batch.add_dimension("Emotion") != 1);  // 1 is somebody else's
    CHECK(batch.add_dimension("Cognition") == 2);
    batch.crystallize();

    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.find_dimension("D1") == 1);
    CHECK(snapshot.find_dimension("Orders") == orders);
    CHECK(snapshot.find_dimension("Emotion") == dimension_number("Emotion"));
    CHECK(snapshot.find_dimension("Cognition") == 2);
    CHECK_FALSE(snapshot.find_dimension("Nowhere"));
    CHECK_FALSE(Snapshot().find_dimension("D1"));
    CHECK(snapshot.get(orders, "first").text() == "1");

    CHECK(code_of([&] { batch.add_dimension(""); }) == "invalid_argument");
    CHECK(code_of([&] { batch.add_dimension(std::string(56, 'n')); }) == "invalid_argument");
    // The name goes with a removed or renamed dimension: the next of that name is a new one.
    batch.remove_dimension(orders);
    const Dimension anew = batch.add_dimension("Orders");
    CHECK(anew != orders);
    batch.add_dimension(7, "Seven");
    CHECK(batch.add_dimension("Seven") == 7);
    CHECK(batch.add_dimension("D7") != 7);
    batch.crystallize();
    CHECK(store.attach().snapshot().find_dimension("Orders") == anew);
}

TEST_CASE("add_core_dimensions names what it adds, and leaves what is there") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {2, 1}, "mine");
    Batch batch = producer.batch();
    batch.add_core_dimensions();
    CHECK(batch.add_dimension("Emotion") == 1);  // that this batch adds
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.find_dimension("Emotion") == 1);
    CHECK(snapshot.find_dimension("D2") == 2);
    CHECK(snapshot.find_dimension("Security") == 14);
    CHECK(snapshot.dimension_count() == 14);
}

TEST_CASE("a dimension that is cleared has what the batch puts, and nothing else") {
    const TempStore store;
    Producer producer = store.create();
    {
        Batch batch = producer.batch();
        batch.add_dimension(1, "One");
        for (std::uint64_t i = 0; i < 3000; ++i) {
            batch.put({1, i * i}, std::to_string(i));
        }
        batch.put(1, "named", "old");
        batch.put({1, layer_number("another")}, "without a name");
        batch.put({2, 5}, "stays");
        batch.crystallize();
    }
    Consumer consumer = store.attach();
    const Snapshot before = consumer.snapshot();
    Batch batch = producer.batch();
    batch.put({1, 0}, "first");  // whether before or after
    batch.clear_dimension(1);
    batch.clear_dimension(3);  // there is none
    batch.put({1, 10}, "new");
    batch.put({1, 4}, "again");
    batch.put({1, ~std::uint64_t{0}}, "last");
    batch.erase({1, 16});
    batch.put(1, "another", "with a name");
    {
        Batch other = producer.batch();
        other.put({1, 11}, "of another batch");
        other.crystallize();
    }
    CHECK(batch.crystallize() == before.generation() + 2);
    const Snapshot after = consumer.snapshot();
    std::map<std::uint64_t, std::string> found;
    for (const Layer& layer : after.dimension(1)) {
        found[layer.id().layer] = layer.text();
    }
    CHECK(found == std::map<std::uint64_t, std::string>{{0, "first"},
                                                        {4, "again"},
                                                        {10, "new"},
                                                        {layer_number("another"), "with a name"},
                                                        {~std::uint64_t{0}, "last"}});
    CHECK(after.find({2, 5}).text() == "stays");
    CHECK(after.dimensions().at(0).name == "One");
    CHECK_FALSE(after.has_dimension(3));
    CHECK(before.layer_count() == 3003);
    CHECK(verify(after).ok());
    CHECK(verify(before).ok());

    batch.clear_dimension(1);
    CHECK(batch.crystallize() == after.generation() + 1);
    CHECK(consumer.snapshot().dimensions().at(0).layers == 0);
    const Generation empty = producer.generation();
    batch.clear_dimension(1);  // nothing to do
    CHECK(batch.crystallize() == empty);
    batch.clear_dimension(1);
    batch.remove_dimension(1);
    batch.clear_dimension(1);
    batch.put({1, 3}, "of a new one");
    batch.crystallize();
    CHECK(consumer.snapshot().dimensions().at(0).layers == 1);
    CHECK(verify(consumer.snapshot()).ok());
}
