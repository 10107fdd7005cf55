// SPDX-License-Identifier: Apache-2.0
// Names of layers in indexes of every shape: whether a name's number is taken is looked up on the
// producer's own way through the index, at any height, in sparse nodes and in full ones.
#include <cstdint>
#include <initializer_list>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::TempStore;

namespace {

std::string name_of(std::uint64_t i) { return "name " + std::to_string(i); }

}  // namespace

TEST_CASE("a name whose number is taken is refused, however many layers there are") {
    for (const std::uint64_t count :
         std::initializer_list<std::uint64_t>{1, 2, 3, 4, 5, 16, 17, 64, 300, 5000}) {
        CAPTURE(count);
        const TempStore store;
        Producer producer = store.create();
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < count; ++i) {
            batch.put({1, layer_number(name_of(i))}, "numbered");
        }
        batch.crystallize();
        for (std::uint64_t i = 0; i < count; i += 1 + count / 100) {
            batch.put(1, name_of(i), {});
            CHECK(code_of([&] { batch.crystallize(); }) == "name_collision");
            batch.clear();
        }
        for (std::uint64_t i = count; i < count + 100; ++i) {
            batch.put(1, name_of(i), {});
        }
        batch.crystallize();
        CHECK(store.attach().snapshot().layer_count() == count + 100);
    }
}

TEST_CASE("a name is free beside small numbers, and taken by its own layer alone") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (std::uint64_t number = 0; number < 5000; ++number) {
        batch.put({1, number}, "numbered");
    }
    batch.crystallize();
    batch.put(1, name_of(1), {});  // its number is beyond the reach of the index so far
    batch.crystallize();
    batch.put(1, name_of(1), {});
    batch.put(1, name_of(2), {});
    batch.crystallize();
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.layer_count() == 5002);
    CHECK(snapshot.find(1, name_of(1)));
    CHECK(snapshot.find(1, name_of(2)));
    CHECK_FALSE(snapshot.find(1, name_of(3)));
}
