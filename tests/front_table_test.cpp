// SPDX-License-Identifier: Apache-2.0
// The front table of a view: which dimensions a look-up finds by their number alone, and that it
// finds them again after the generation's view was closed and opened anew.
#include <array>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "consumer/view.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::payload_of;
using strata::test::TempStore;

namespace {

constexpr Dimension dimensions = 3;
constexpr std::uint64_t layers = 40;

Generation publish_all_dimensions(Producer& producer) {
    Batch batch = producer.batch();
    for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
        for (std::uint64_t layer = 0; layer < layers; ++layer) {
            batch.put({dimension, layer}, payload_of(layer, producer.generation() + 1, 32));
        }
    }
    return batch.crystallize();
}

bool in_front(const Snapshot& snapshot, Dimension dimension) {
    const auto& table =
        static_cast<const detail::FrontTable&>(*consumer_impl::Access::view_of(snapshot));
    return table.list_for(dimension).count_of(dimension) != 0;
}

void find_often(const Snapshot& snapshot, Dimension dimension) {
    for (int round = 0; round < 50; ++round) {
        for (std::uint64_t layer = 0; layer < layers; ++layer) {
            REQUIRE(snapshot.find({dimension, layer}));
        }
    }
}

}  // namespace

TEST_CASE("a generation that is opened again has its front table again, dimension by dimension") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain = 4;
    Producer producer = Producer::create(store.name(), options);
    const Generation wanted = publish_all_dimensions(producer);
    publish_all_dimensions(producer);
    Consumer consumer = store.attach();
    {
        const Snapshot first = consumer.snapshot(wanted);
        for (Dimension dimension = 0; dimension < dimensions; ++dimension) {
            find_often(first, dimension);
            CHECK(in_front(first, dimension));
        }
    }
    SUBCASE("one by one") {
        const Snapshot again = consumer.snapshot(wanted);
        REQUIRE_FALSE(in_front(again, 1));  // the view was closed meanwhile
        CHECK(again.find({1, 7}).bytes().size() == 32);
        CHECK(in_front(again, 1));
        CHECK_FALSE(in_front(again, 2));
    }
    SUBCASE("in batches") {
        const Snapshot again = consumer.snapshot(wanted);
        REQUIRE_FALSE(in_front(again, 0));
        const std::array<LayerId, 4> ids{{{0, 1}, {2, 5}, {0, 3}, {2, layers}}};
        std::array<Layer, 4> found;
        again.find(ids, found);
        CHECK(found[2].bytes().size() == 32);
        CHECK_FALSE(found[3]);
        CHECK(in_front(again, 0));
        CHECK(in_front(again, 2));
        CHECK_FALSE(in_front(again, 1));
    }
}

TEST_CASE("dimensions that are equal modulo the front table's size share no place in it") {
    const TempStore store;
    Producer producer = store.create();
    Batch batch = producer.batch();
    const std::array<Dimension, 2> colliding{5, 5 + detail::FrontTable::size};
    for (const Dimension dimension : colliding) {
        for (std::uint64_t layer = 0; layer < layers; ++layer) {
            batch.put({dimension, layer}, payload_of(layer + dimension, 1, 32));
        }
    }
    batch.crystallize();
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    find_often(snapshot, colliding[0]);
    CHECK(in_front(snapshot, colliding[0]));
    find_often(snapshot, colliding[1]);
    for (const Dimension dimension : colliding) {
        CHECK_FALSE(in_front(snapshot, dimension));  // closed: it would be guessed wrong
        find_often(snapshot, dimension);
        CHECK_FALSE(in_front(snapshot, dimension));
    }
}
