// SPDX-License-Identifier: Apache-2.0
// Named generations: they stay what they are over commits, moves and restarts, cost what they
// reach, and come free when their names and readers are gone.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "strata/bookmark.hpp"
#include "tests/support/bookmark_setting.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE("a bookmark keeps its generation, whatever is published after it") {
    const TempStore store;
    Producer producer = store.create();
    publish_version(producer, 1);
    const Generation marked = producer.generation();
    CHECK(producer.set_bookmark("before-import") == marked);
    churn(producer, 100);
    Consumer consumer = attach(store);
    const Snapshot snapshot = consumer.snapshot_at("before-import");
    CHECK(snapshot.generation() == marked);
    CHECK(mismatch(snapshot, 1) == "");
    CHECK(changes(snapshot, consumer.snapshot()).size() == layers + 1);

    const auto listed = consumer.bookmarks();
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].name == "before-import");
    CHECK(listed[0].generation == marked);
    CHECK(std::chrono::system_clock::now() - listed[0].made_at < std::chrono::minutes(10));
    REQUIRE(producer.bookmarks().size() == 1);
    CHECK(producer.bookmarks()[0].made_at == listed[0].made_at);
    const StoreInfo info = inspect(store.name(), store.base());
    REQUIRE(info.bookmarks.size() == 1);
    CHECK(info.bookmarks[0].name == "before-import");
    bool file_known = false;
    for (const StoreFile& file : info.files) {
        CHECK(file.kind != StoreFile::Kind::foreign);
        file_known = file_known || file.kind == StoreFile::Kind::bookmarks;
    }
    CHECK(file_known);
}

TEST_CASE("a bookmark outlives its producer and those that follow, however they end") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish_version(producer, 1);
    }
    Generation marked = 0;
    {
        Producer producer = store.open();
        marked = producer.set_bookmark("kept");
        churn(producer, 100);
    }
    for (std::uint64_t round = 0; round < 4; ++round) {
        CAPTURE(round);
        Child killed = Child::start([&](const Channel& channel) {
            Producer producer = store.open();
            churn(producer, 200 + 100 * round);
            producer.set_bookmark("late-" + std::to_string(round));
            channel.send(1);
            channel.receive();  // never
        });
        killed.receive();
        CHECK(killed.kill_and_join() == "");
        Consumer consumer = attach(store);
        CHECK(consumer.snapshot_at("kept").generation() == marked);
        CHECK(named_version(consumer, "kept", 1) == "");
        CHECK(named_version(consumer, "late-" + std::to_string(round), 211 + 100 * round) == "");
    }
    Producer producer = store.open();
    churn(producer, 1000);
    Consumer consumer = attach(store);
    CHECK(named_version(consumer, "kept", 1) == "");
    CHECK(named_version(consumer, "late-0", 211) == "");
    CHECK(named_version(consumer, "late-3", 511) == "");
    // They come free under a producer that did not set them.
    CHECK(held_bytes(producer) > 4 * bytes_of_all);
    for (const Bookmark& bookmark : producer.bookmarks()) {
        producer.remove_bookmark(bookmark.name);
    }
    CHECK(held_bytes(producer) == 0);
    CHECK_FALSE(std::filesystem::exists(file_of(store)));
}

TEST_CASE("a bookmark holds what it reaches, and no more; all of it comes free") {
    const TempStore store;
    Producer producer = store.create();
    publish_version(producer, 1);
    producer.reclaim();
    const std::uint64_t before = producer.stats().limbo_bytes;
    CHECK(before == 0);
    producer.set_bookmark("one");
    // Born after the bookmark, though nothing has asked for the clock to move on since.
    publish_version(producer, 2);
    publish_version(producer, 3);
    const std::uint64_t held = held_bytes(producer);
    CHECK(held > bytes_of_all);
    CHECK(held < bytes_of_all + bytes_of_all / 2);
    churn(producer, 100);
    CHECK(held_bytes(producer) == held);
    producer.trim();
    const std::uint64_t committed = producer.stats().committed_bytes;
    producer.remove_bookmark("one");
    CHECK(producer.stats().limbo_bytes == 0);
    producer.trim();
    CHECK(producer.stats().committed_bytes + bytes_of_all / 2 < committed);
    CHECK(producer.bookmarks().empty());
    CHECK_FALSE(std::filesystem::exists(file_of(store)));
    Consumer consumer = attach(store);
    CHECK(code_of([&] { (void)consumer.snapshot_at("one"); }) == "bookmark_not_found");
}

TEST_CASE("who reads a removed bookmark keeps it, also when another producer takes over") {
    const TempStore store;
    std::optional<Producer> producer(store.create());
    publish_version(*producer, 1);
    producer->set_bookmark("gone");
    churn(*producer, 100);
    Consumer consumer = attach(store);
    Snapshot reader = consumer.snapshot_at("gone");
    SUBCASE("removed") {
        producer->remove_bookmark("gone");
        CHECK(code_of([&] { (void)consumer.snapshot_at("gone"); }) == "bookmark_not_found");
    }
    SUBCASE("moved") { producer->set_bookmark("gone"); }
    churn(*producer, 200);
    CHECK(mismatch(reader, 1) == "");
    for (std::uint64_t round = 0; round < 3; ++round) {
        producer.reset();
        producer.emplace(store.open());
        churn(*producer, 300 + 100 * round);
        CHECK(mismatch(reader, 1) == "");
    }
    const std::uint64_t held = held_bytes(*producer);
    CHECK(held > bytes_of_all);
    reader = {};
    for (const Bookmark& bookmark : producer->bookmarks()) {
        producer->remove_bookmark(bookmark.name);
    }
    CHECK(held_bytes(*producer) == 0);
    CHECK_FALSE(std::filesystem::exists(file_of(store)));
}

TEST_CASE("a reader of something else does not keep what a bookmark gave up") {
    const TempStore store;
    Producer producer = store.create();
    publish_version(producer, 1);
    producer.set_bookmark("first");
    churn(producer, 100);
    producer.remove_bookmark("first");
    Consumer consumer = attach(store);
    const Snapshot reader = consumer.snapshot();
    producer.set_bookmark("the same");
    publish_version(producer, 200);
    producer.set_bookmark("second");
    churn(producer, 300);
    CHECK(held_bytes(producer) > bytes_of_all + bytes_of_all / 2);
    CHECK(held_bytes(producer) < 2 * bytes_of_all + bytes_of_all / 2);
    producer.remove_bookmark("second");
    CHECK(held_bytes(producer) < bytes_of_all + bytes_of_all / 2);
    producer.remove_bookmark("the same");
    // What `reader` has is held for it alone.
    CHECK(held_bytes(producer) < bytes_of_all + bytes_of_all / 2);
    CHECK(mismatch(reader, 111) == "");
}

TEST_CASE("a generation that is retained can be given a name, and then stays") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain = 300;
    Generation wanted = 0;
    {
        Producer producer = Producer::create(store.name(), options);
        for (std::uint64_t version = 1; version <= 290; ++version) {
            Batch batch = producer.batch();
            batch.put({1, version % 7}, payload_of(0, version, 500));
            batch.put({2, 0}, std::to_string(version));
            CHECK(batch.crystallize() == version + 1);
        }
        wanted = 20;  // beyond the slots
        CHECK(producer.set_bookmark("far", wanted) == wanted);
        CHECK(producer.set_bookmark("near", 289) == 289);
        for (std::uint64_t version = 291; version <= 800; ++version) {
            Batch batch = producer.batch();
            batch.put({1, version % 7}, payload_of(0, version, 500));
            batch.put({2, 0}, std::to_string(version));
            batch.crystallize();
        }
        const auto error = error_of([&] { producer.set_bookmark("none", wanted + 1); });
        REQUIRE(error);
        CHECK(error->code() == Errc::generation_not_retained);
        CHECK(error->detail().find("generation 21 is not kept") != std::string::npos);
        CHECK(code_of([&] { producer.set_bookmark("none", producer.generation() + 1); }) ==
              "generation_not_retained");
        CHECK(producer.bookmarks().size() == 2);
    }
    Producer producer = store.open();
    churn(producer, 1000);
    Consumer consumer = attach(store);
    const Snapshot far = consumer.snapshot_at("far");
    CHECK(far.generation() == wanted);
    CHECK(far.get({2, 0}).text() == std::to_string(wanted - 1));
    for (std::uint64_t version = wanted - 7; version < wanted; ++version) {
        CHECK(far.get({1, version % 7}).text() == payload_of(0, version, 500));
    }
    CHECK(verify(far).ok());
    CHECK(consumer.snapshot_at("near").get({2, 0}).text() == "288");
    CHECK(verify(consumer.snapshot_at("near")).ok());
    // Retained, they are not.
    CHECK(code_of([&] { (void)consumer.snapshot(wanted); }) == "generation_not_retained");
}

TEST_CASE("a generation can have several names, given at any time; it goes with the last") {
    const TempStore store;
    std::optional<Producer> producer(store.create());
    publish_version(*producer, 1);
    const Generation marked = producer->set_bookmark("first");
    churn(*producer, 100);
    CHECK(producer->set_bookmark("second", marked) == marked);
    CHECK(producer->set_bookmark("first", marked) == marked);  // nothing new
    producer->remove_bookmark("first");
    churn(*producer, 200);
    Consumer consumer = attach(store);
    CHECK(named_version(consumer, "second", 1) == "");
    producer.reset();
    producer.emplace(store.open());
    churn(*producer, 300);
    CHECK(named_version(consumer, "second", 1) == "");
    // Moved: its place is the newest one's.
    CHECK(producer->set_bookmark("second") == producer->generation());
    churn(*producer, 400);
    CHECK(named_version(consumer, "second", 311) == "");
    CHECK(producer->bookmarks().size() == 1);
    CHECK(held_bytes(*producer) < bytes_of_all + bytes_of_all / 2);
}

TEST_CASE("a dimension that is moved, removed or made anew stays what it was in a bookmark") {
    const TempStore store(TempStore::Regions::own);
    std::optional<Producer> producer(store.create());
    publish_version(*producer, 1);
    producer->set_bookmark("whole");
    producer->move_dimension(1, {.own_region = true});
    churn(*producer, 100);
    Batch batch = producer->batch();
    batch.remove_dimension(1);
    batch.crystallize();
    producer->reclaim();
    Consumer consumer = attach(store);
    CHECK(named_version(consumer, "whole", 1) == "");
    producer.reset();
    producer.emplace(store.open());
    churn(*producer, 200);
    CHECK(named_version(consumer, "whole", 1) == "");
    const std::size_t files = store.region_files();
    producer->remove_bookmark("whole");
    CHECK(held_bytes(*producer) == 0);
    CHECK(store.region_files() < files);
    CHECK(mismatch(consumer.snapshot(), 211) == "");
}
