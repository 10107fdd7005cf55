// SPDX-License-Identifier: Apache-2.0
// Retained generations: readable until they are evicted, then refused and their memory reused.
#include <algorithm>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

Producer create_retaining(const TempStore& store, std::uint32_t retain) {
    ProducerOptions options = store.producer_options();
    options.retain = retain;
    return Producer::create(store.name(), options);
}

// Every generation g from 2 on holds layer {1, 1} = payload_of(1, g), and {2, g}.
void publish_generations(Producer& producer, Generation last) {
    for (Generation g = producer.generation() + 1; g <= last; ++g) {
        Batch batch = producer.batch();
        batch.put({1, 1}, payload_of(1, g, 600));
        batch.put({2, g}, "mark");
        REQUIRE(batch.crystallize() == g);
    }
}

void check_generation(const Snapshot& snapshot, Generation g) {
    CHECK(snapshot.generation() == g);
    CHECK(snapshot.get({1, 1}).text() == payload_of(1, g, 600));
    CHECK(snapshot.layer_count() == g);
    CHECK(snapshot.find({2, g}));
    CHECK_FALSE(snapshot.find({2, g + 1}));
}

}  // namespace

TEST_CASE("without retain only the newest generation can be asked for") {
    const TempStore store;
    Producer producer = store.create();
    publish_generations(producer, 5);
    Consumer consumer = store.attach();
    CHECK(consumer.retained() == std::pair<Generation, Generation>(5, 5));
    CHECK(consumer.snapshot(5).generation() == 5);
    for (const Generation g : {Generation{0}, Generation{1}, Generation{4}, Generation{6},
                               Generation{5 + 256}, ~Generation{0}}) {
        CHECK(code_of([&] { consumer.snapshot(g); }) == "generation_not_retained");
    }
}

TEST_CASE("the last N generations stay readable; older ones are evicted") {
    const TempStore store;
    Producer producer = create_retaining(store, 3);
    Consumer consumer = store.attach();
    CHECK(consumer.retained() == std::pair<Generation, Generation>(1, 1));
    for (Generation last = 2; last <= 12; ++last) {
        publish_generations(producer, last);
        const Generation oldest = last > 3 ? last - 3 : 1;
        CHECK(consumer.retained() == std::pair<Generation, Generation>(oldest, last));
        for (Generation g = std::max<Generation>(oldest, 2); g <= last; ++g) {
            check_generation(consumer.snapshot(g), g);
        }
        for (Generation g = 0; g < oldest; ++g) {
            CHECK(code_of([&] { consumer.snapshot(g); }) == "generation_not_retained");
        }
    }
    const auto error = error_of([&] { consumer.snapshot(2); });
    REQUIRE(error);
    CHECK(error->path() == store.file("control.mmap"));
    CHECK_FALSE(error->hint().empty());
}

TEST_CASE("a snapshot of a retained generation outlives its eviction") {
    const TempStore store;
    Producer producer = create_retaining(store, 2);
    Consumer consumer = store.attach();
    publish_generations(producer, 5);
    const Snapshot held = consumer.snapshot(4);
    publish_generations(producer, 60);
    producer.reclaim();
    check_generation(held, 4);
    const auto differences = changes(held, consumer.snapshot(59));
    REQUIRE(differences.size() == 56);
    CHECK(differences[0].before.text() == payload_of(1, 4, 600));
    CHECK(differences[0].after.text() == payload_of(1, 59, 600));
}

TEST_CASE("254 generations can be retained, each whole, and memory does not grow beyond them") {
    const TempStore store;
    Producer producer = create_retaining(store, 254);
    Consumer consumer = store.attach();
    publish_generations(producer, 600);
    CHECK(consumer.retained() == std::pair<Generation, Generation>(346, 600));
    for (Generation g = 346; g <= 600; ++g) {
        check_generation(consumer.snapshot(g), g);
    }
    CHECK(code_of([&] { consumer.snapshot(345); }) == "generation_not_retained");
    CHECK(code_of([&] { consumer.snapshot(601); }) == "generation_not_retained");
    // Both dimensions' histories: at most a few kB of nodes and payload per generation.
    CHECK(producer.stats().limbo_bytes < 254 * 8000);
}

TEST_CASE("history starts anew with each producer") {
    const TempStore store;
    {
        Producer producer = create_retaining(store, 10);
        publish_generations(producer, 8);
    }
    Consumer consumer = store.attach();
    CHECK(consumer.snapshot(5).generation() == 5);  // nobody has touched the ring yet
    ProducerOptions options = store.producer_options();
    options.retain = 10;
    Producer producer = Producer::open(store.name(), options);
    CHECK(code_of([&] { consumer.snapshot(5); }) == "generation_not_retained");
    CHECK(consumer.snapshot(8).generation() == 8);
    publish_generations(producer, 10);
    CHECK(consumer.retained() == std::pair<Generation, Generation>(8, 10));
    for (Generation g = 8; g <= 10; ++g) {
        check_generation(consumer.snapshot(g), g);
    }
    CHECK(code_of([&] { consumer.snapshot(7); }) == "generation_not_retained");
}

TEST_CASE("a dimension that was removed can be read in the generations that still have it") {
    const TempStore store;
    Producer producer = create_retaining(store, 2);
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    Consumer consumer = Consumer::attach(store.name(), options);
    publish(producer, {7, 1}, "still here");  // generation 2
    Batch batch = producer.batch();
    batch.remove_dimension(7);
    batch.crystallize();  // 3
    producer.reclaim();
    CHECK(consumer.snapshot(2).get({7, 1}).text() == "still here");
    CHECK_FALSE(consumer.snapshot().has_dimension(7));
    publish(producer, {1, 1}, "4");
    publish(producer, {1, 1}, "5");
    producer.reclaim();
    CHECK(code_of([&] { consumer.snapshot(2); }) == "generation_not_retained");
    CHECK(store.region_files() == 1);
}
