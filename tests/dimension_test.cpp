// SPDX-License-Identifier: Apache-2.0
// Dimensions: added, named, removed, replaced, and batches that contradict each other about them;
// names of layers that share a number.
#include <cstring>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

TEST_CASE("an idle batch does not keep the memory of a removed dimension") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch idle = producer.batch();
    idle.put({1, 1}, payload_of(1, 1, 5'000'000));
    idle.crystallize();
    Batch waiting = producer.batch();
    waiting.put({2, 1}, "never published");
    publish(producer, {2, 2}, payload_of(2, 2, 3'000'000));
    Batch removal = producer.batch();
    removal.remove_dimension(1);
    removal.remove_dimension(2);
    removal.crystallize();
    producer.reclaim();
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    CHECK(store.allocated_bytes() < 4_MiB);  // the one that waits keeps its dimension's
    CHECK(store.allocated_bytes() > 3'000'000);
    waiting.clear();
    CHECK(store.allocated_bytes() < 1_MiB);
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    idle.put({1, 1}, "again");
    idle.crystallize();
    CHECK(store.attach().snapshot().get({1, 1}).text() == "again");
}

TEST_CASE("a put adds its dimension under its core name, or as D and its number") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    batch.put({1, 1}, "a");
    batch.put({0, 1}, "b");
    batch.put({4'294'967'295U, 1}, "c");
    batch.add_dimension(14);
    batch.add_dimension(20, "twenty");
    batch.crystallize();
    const auto dimensions = store.attach().snapshot().dimensions();
    REQUIRE(dimensions.size() == 5);
    CHECK(dimensions[0].dimension == 0);
    CHECK(dimensions[0].name == "D0");
    CHECK(dimensions[1].name == "D1");
    CHECK(dimensions[2].name == "D14");
    CHECK(dimensions[2].layers == 0);
    CHECK(dimensions[3].name == "twenty");
    CHECK(dimensions[4].dimension == 4'294'967'295U);
    CHECK(dimensions[4].name == "D4294967295");
    CHECK(dimensions[4].layers == 1);
    CHECK(dimensions[4].generation == 2);
    CHECK(dimensions[4].region > 0);
    CHECK(dimensions[4].live_bytes >= 32);
}

TEST_CASE("a dimension can be renamed, keeps its layers, and its name has its limits") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {9, 1}, "x");
    Batch batch = producer.batch();
    const std::string longest(max_dimension_name_bytes, 'n');
    CHECK(code_of([&] { batch.add_dimension(9, longest + "n"); }) == "invalid_argument");
    CHECK(batch.empty());
    batch.add_dimension(9, longest);
    CHECK(batch.crystallize() == 3);
    batch.add_dimension(9);  // already there: neither renamed nor published
    CHECK(batch.crystallize() == 3);
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.dimensions().at(0).name == longest);
    CHECK(snapshot.get({9, 1}).text() == "x");
}

TEST_CASE("a dimension stays when its last layer is erased") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {9, 1}, "x");
    Batch batch = producer.batch();
    batch.erase({9, 1});
    batch.crystallize();
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.has_dimension(9));
    CHECK(snapshot.layer_count() == 0);
    CHECK(snapshot.dimension(9).empty());
    CHECK(snapshot.dimension(9).begin() == std::default_sentinel);
    CHECK(code_of([&] { (void)snapshot.get({9, 1}); }) == "layer_not_found");
}

TEST_CASE("a removed dimension is gone from the next generation, and its file when nobody reads") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    Consumer consumer = Consumer::attach(store.name(), options);
    {
        Batch batch = producer.batch();
        batch.put({1, 1}, "stays");
        batch.put({2, 1}, payload_of(2, 1, 100'000));
        batch.crystallize();
    }
    const std::uint64_t with = producer.stats().committed_bytes;
    Snapshot before = consumer.snapshot();
    Batch batch = producer.batch();
    batch.put({2, 2}, "dropped with the dimension");
    batch.remove_dimension(2);
    batch.crystallize();
    Snapshot after = consumer.snapshot();
    CHECK_FALSE(after.has_dimension(2));
    CHECK_FALSE(after.find({2, 1}));
    CHECK(code_of([&] { (void)after.get({2, 1}); }) == "dimension_not_found");
    CHECK(code_of([&] { (void)after.dimension(2); }) == "dimension_not_found");
    CHECK(after.get({1, 1}).text() == "stays");
    producer.reclaim();
    CHECK(store.region_files() == 2);  // `before` still reads it, though it never touched it yet
    CHECK(before.get({2, 1}).text() == payload_of(2, 1, 100'000));
    before = Snapshot();
    after = Snapshot();  // shares the pin
    producer.reclaim();
    CHECK(store.region_files() == 1);
    CHECK(producer.stats().committed_bytes <= with - 100'000);
}

TEST_CASE("remove and put in one batch leave only what was put after") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Consumer consumer = store.attach();
    {
        Batch batch = producer.batch();
        batch.add_dimension(2, "old name");
        batch.put({2, 1}, "old");
        batch.put({2, 2}, "old");
        batch.crystallize();
    }
    const Snapshot before = consumer.snapshot();
    Batch batch = producer.batch();
    batch.put({2, 7}, "before the removal");
    batch.remove_dimension(2);
    batch.put({2, 2}, "new");
    batch.put({2, 3}, "new");
    batch.crystallize();
    const Snapshot after = consumer.snapshot();
    CHECK(after.layer_count() == 2);
    CHECK(after.dimensions().at(0).name == "D2");
    CHECK(after.dimension(2).size() == 2);
    CHECK_FALSE(after.find({2, 1}));
    CHECK(after.get({2, 2}).text() == "new");
    CHECK(before.get({2, 2}).text() == "old");
    const auto differences = changes(before, after);
    REQUIRE(differences.size() == 3);
    CHECK(differences[0].kind == Change::Kind::removed);
    CHECK(differences[1].kind == Change::Kind::updated);
    CHECK(differences[1].before.text() == "old");
    CHECK(differences[1].after.text() == "new");
    CHECK(differences[2].kind == Change::Kind::added);
    batch.remove_dimension(2);
    batch.add_dimension(2, "fresh");
    batch.crystallize();
    CHECK(consumer.snapshot().dimensions().at(0).name == "fresh");
    CHECK(consumer.snapshot().layer_count() == 0);
}

TEST_CASE("two batches that both add a dimension end up in the same one") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch a = producer.batch();
    Batch b = producer.batch();
    a.put({5, 1}, "a");
    b.put({5, 2}, "b");
    b.crystallize();
    a.crystallize();
    CHECK(store.attach().snapshot().layer_count() == 2);
    CHECK(store.region_files() == 1);
}

TEST_CASE("a batch survives that another one with the same new dimension was abandoned") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch a = producer.batch();
    {
        Batch b = producer.batch();
        b.put({5, 2}, "b");
        a.put({5, 1}, "a");
    }
    a.crystallize();
    CHECK(store.attach().snapshot().get({5, 1}).text() == "a");
}

TEST_CASE("a batch whose dimension was removed meanwhile is refused, whole and unharmed") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {5, 1}, "x");
    Consumer consumer = store.attach();
    for (const bool replaced : {false, true}) {
        Batch late = producer.batch();
        late.put({5, 2}, "late");
        late.put({6, 2}, "late");
        Batch remover = producer.batch();
        remover.remove_dimension(5);
        if (replaced) remover.put({5, 3}, "replacement");
        const Generation removed = remover.crystallize();
        const auto error = error_of([&] { late.crystallize(); });
        REQUIRE(error);
        CHECK(error->code() == Errc::dimension_not_found);
        CHECK_FALSE(error->hint().empty());
        CHECK(late.size() == 2);
        CHECK(producer.generation() == removed);
        CHECK_FALSE(consumer.snapshot().has_dimension(6));
        late.clear();
        late.put({5, 2}, "again");
        late.crystallize();
        CHECK(consumer.snapshot().get({5, 2}).text() == "again");
    }
}

TEST_CASE("a batch can be dropped or repeated after its removed dimension's memory is reclaimed") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {5, 1}, "x");
    for (int way = 0; way < 3; ++way) {
        Batch late = producer.batch();
        late.put({5, 2}, payload_of(5, 2, 1000), {.alignment = 4096});
        late.put({5, 3}, payload_of(5, 3, 1000));
        const Loan loan = late.loan({5, 4}, 1000);
        late.put({5, 2}, "twice", {.alignment = 256});
        Batch remover = producer.batch();
        remover.remove_dimension(5);
        remover.crystallize();
        producer.trim();
        std::memset(loan.data(), 1, loan.size());  // still ours to write
        if (way == 0) {
            late.clear();
        } else if (way == 1) {
            CHECK(code_of([&] { late.crystallize(); }) == "dimension_not_found");
            late.remove_dimension(5);
        }
        CHECK(producer.stats().layers == 0);
        CHECK(store.allocated_bytes() <= producer.stats().committed_bytes);
        publish(producer, {5, 1}, "x");
    }
    CHECK(store.region_files() == 1);
}

TEST_CASE("a name whose number belongs to a numbered layer or to another name is refused") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    const std::uint64_t number = layer_number("alpha");
    publish(producer, {1, number}, "numbered");
    Batch batch = producer.batch();
    batch.put(1, "alpha", {});
    batch.put({1, 5}, "beside it");
    const auto error = error_of([&] { batch.crystallize(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::name_collision);
    CHECK(error->detail().find("\"alpha\"") != std::string::npos);
    CHECK(error->detail().find(std::to_string(number)) != std::string::npos);
    CHECK(batch.size() == 2);
    CHECK(producer.generation() == 2);
    Consumer consumer = store.attach();
    CHECK_FALSE(consumer.snapshot().find(1, "alpha"));  // the number is there, the name is not
    const auto not_named = error_of([&] { (void)consumer.snapshot().get(1, "alpha"); });
    REQUIRE(not_named);
    CHECK(not_named->code() == Errc::layer_not_found);
    // Repeatable as soon as the number is free.
    Batch eraser = producer.batch();
    eraser.erase({1, number});
    eraser.crystallize();
    CHECK(batch.crystallize() == 4);
    CHECK(consumer.snapshot().find(1, "alpha"));
    // The same name again is an update, also after a restart.
    batch.put(1, "alpha", std::as_bytes(std::span("v2", 2)));
    batch.crystallize();
    CHECK(consumer.snapshot().get(1, "alpha").text() == "v2");
}
