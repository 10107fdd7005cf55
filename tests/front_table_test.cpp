// SPDX-License-Identifier: Apache-2.0
// The front table of a view: which dimensions a look-up finds by their number alone, and that it
// finds them again after the generation's view was closed and opened anew.
#include <array>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <vector>

#include <doctest/doctest.h>

#include "consumer/views/view.hpp"
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

namespace {

constexpr Dimension many = 12;

void put_in(Producer& producer, std::initializer_list<Dimension> changed) {
    Batch batch = producer.batch();
    for (const Dimension dimension : changed) {
        batch.put({dimension, 1}, payload_of(dimension, producer.generation() + 1, 32));
    }
    batch.crystallize();
}

/// A store with many dimensions and a reader that has looked into the first `used` of them, in
/// snapshots that it took as they came.
class Reader {
public:
    explicit Reader(Dimension used) : producer_(store_.create()), consumer_(store_.attach()) {
        Batch batch = producer_.batch();
        for (Dimension dimension = 0; dimension < many; ++dimension) {
            batch.put({dimension, 1}, payload_of(dimension, 2, 32));
            content_[dimension] = 2;
        }
        batch.crystallize();
        for (int i = 0; i < 3; ++i) {
            change({0});
            snapshot_ = consumer_.snapshot();
            use(used);
        }
    }

    Producer& producer() { return producer_; }
    const Snapshot& snapshot() const { return snapshot_; }

    void change(std::initializer_list<Dimension> changed) {
        put_in(producer_, changed);
        for (const Dimension dimension : changed) {
            content_[dimension] = producer_.generation();
        }
    }
    void take() { snapshot_ = consumer_.snapshot(); }
    void use(Dimension used) const {
        for (Dimension dimension = 0; dimension < used; ++dimension) {
            REQUIRE(snapshot_.find({dimension, 1}));
        }
    }
    bool carried(Dimension dimension) const {
        return consumer_impl::Access::view_of(snapshot_)->front_version(dimension) != nullptr;
    }
    Dimension carried() const {
        Dimension count = 0;
        for (Dimension dimension = 0; dimension < many; ++dimension) {
            count += carried(dimension) ? 1 : 0;
        }
        return count;
    }
    void check_content() const {
        for (const auto& entry : content_) {
            const Dimension dimension = entry.first;
            CAPTURE(dimension);
            CHECK(snapshot_.get({dimension, 1}).text() == payload_of(dimension, entry.second, 32));
        }
    }

private:
    const TempStore store_;
    Producer producer_;
    Consumer consumer_;
    Snapshot snapshot_;
    std::map<Dimension, Generation> content_;
};

}  // namespace

TEST_CASE("who looks into many dimensions finds those that a commit left alone carried over") {
    Reader reader(many);
    for (int i = 0; i < 5; ++i) {
        reader.change({3, 7});
        reader.take();
        CHECK(reader.carried() == many - 2);
        CHECK_FALSE(reader.carried(3));
        CHECK_FALSE(reader.carried(7));
        reader.check_content();
    }
    // Generations that the reader never saw: all that they changed is new to him.
    reader.change({1});
    reader.change({2});
    reader.change({1, 4});
    reader.take();
    CHECK(reader.carried() == many - 3);
    reader.check_content();
}

TEST_CASE("what was removed, or came anew, is not carried over") {
    Reader reader(many);
    {
        Batch batch = reader.producer().batch();
        batch.remove_dimension(5);
        batch.put({20, 1}, "new");
        batch.crystallize();
    }
    reader.take();
    CHECK_FALSE(reader.carried(5));
    CHECK_FALSE(reader.snapshot().find({5, 1}));
    CHECK(reader.snapshot().get({20, 1}).text() == "new");
    put_in(reader.producer(), {5});
    reader.take();
    CHECK_FALSE(reader.carried(5));
    CHECK(reader.snapshot().find({5, 1}));
    CHECK(reader.carried(20));
}

TEST_CASE("nothing is carried over for who looks into few dimensions, or does not any more") {
    Reader few(3);
    few.change({9});
    few.take();
    CHECK(few.carried() == 0);

    Reader many_once(many);
    int carried = 0;
    for (int i = 0; i < 200; ++i) {
        many_once.change({0});
        many_once.take();
        carried += many_once.carried() != 0 ? 1 : 0;
    }
    CHECK(carried > 0);
    CHECK(carried < 100);
    many_once.check_content();
}

TEST_CASE("after a commit that changed very many dimensions, each is looked up anew") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    constexpr Dimension wide = 40;
    Snapshot snapshot;
    for (int round = 0; round < 4; ++round) {
        Batch batch = producer.batch();
        for (Dimension dimension = 0; dimension < wide; ++dimension) {
            batch.put({dimension, 1}, payload_of(dimension, producer.generation() + 1, 32));
        }
        const Generation now = batch.crystallize();
        snapshot = consumer.snapshot();
        for (Dimension dimension = 0; dimension < wide; ++dimension) {
            CHECK(consumer_impl::Access::view_of(snapshot)->front_version(dimension) == nullptr);
            CHECK(snapshot.get({dimension, 1}).text() == payload_of(dimension, now, 32));
        }
    }
}
