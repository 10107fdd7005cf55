// SPDX-License-Identifier: Apache-2.0
// Deaths, forks, refusals and removals in the middle of something: at the crash points of the
// library the other side acts, and what it finds is whole.
#include <array>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/lock_table.hpp"
#include "producer/reclaim/closing_roots.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/torture/at_point.hpp"
#include "tests/torture/versions.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE("a producer that dies between its last two stores is completed by the next") {
    const TempStore store;
    Child child = Child::start([&](const Channel&) {
        Producer producer = store.create();
        publish_all(producer, 1);
        at_point("commit.root-stored", [] { std::raise(SIGKILL); });
        publish_all(producer, 2);
    });
    CHECK(child.join_killed() == "");
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    CHECK(consumer.generation() == 2);
    CHECK(consumer.snapshot().generation() == 3);
    Producer next = store.open();
    CHECK(next.generation() == 3);
    CHECK(consumer.generation() == 3);
    CHECK(mismatch(consumer.snapshot(), 2) == "");
}

TEST_CASE("a snapshot of any age outlives the producer's death and what the next one does") {
    for (const std::string_view point :
         {"commit.begin", "commit.before-root", "commit.root-stored", "commit.published",
          "reclaim.epoch-stored", "reclaim.pins-known"}) {
        CAPTURE(point);
        const TempStore store;
        Consumer* watching = nullptr;
        Child child = Child::start([&](const Channel& channel) {
            Producer producer = store.create();
            for (std::uint64_t version = 1; version <= 3; ++version) {
                publish_all(producer, version);
                producer.reclaim();
                channel.send(version);
                channel.receive();
            }
            at_point(point, [] { std::raise(SIGKILL); });
            publish_all(producer, 4);
            producer.reclaim();
        });
        std::optional<Consumer> consumer;
        std::vector<Snapshot> held;
        for (std::uint64_t version = 1; version <= 3; ++version) {
            REQUIRE(child.receive() == version);
            if (watching == nullptr) {
                consumer = Consumer::attach(store.name(), without_threads(store));
                watching = &*consumer;
            }
            held.push_back(watching->snapshot());
            child.send(1);
        }
        CHECK(child.join_killed() == "");
        Producer next = store.open();
        churn(next, 10);
        for (std::uint64_t version = 1; version <= 3; ++version) {
            CHECK(mismatch(held[version - 1], version) == "");
        }
        held.clear();
        consumer.reset();
        next.trim();
        CHECK(next.stats().limbo_bytes == 0);
    }
}

TEST_CASE("what a child inherits is safe before the child has done anything for it") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer, 1);
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    std::optional<Snapshot> snapshot = consumer.snapshot();
    auto [mine, childs] = Channel::pair();
    const Channel& gate = childs;
    at_point("fork.in-child", [&gate] { gate.receive(); });
    Child child = Child::start(
        [&](const Channel& channel) { channel.send(mismatch(*snapshot, 1).empty() ? 1 : 0); });
    visitor = nullptr;
    snapshot.reset();
    churn(producer, 10);
    mine.send(1);
    CHECK(child.receive() == 1);
    CHECK(child.join() == "");
}

TEST_CASE("a commit that fails, wherever, gives back what it took") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    Producer producer = Producer::create(store.name(), options);
    publish_all(producer, 1);
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    const Snapshot held = consumer.snapshot();  // so that nothing becomes free
    const auto used = [&] {
        producer.reclaim();
        const StoreStatistics all = statistics(producer);
        std::uint64_t bytes = all.control.used_bytes;
        for (const RegionStatistics& region : all.regions) {
            bytes += region.memory.used_bytes;
        }
        return bytes;
    };
    // Dimension 1 is all right, the name in dimension 3 collides: by then the index and the record
    // of dimension 1 have been written.
    Batch batch = producer.batch();
    Batch numbered = producer.batch();
    numbered.put({3, layer_number("name")}, "a number");
    numbered.crystallize();
    const std::uint64_t published = used();
    for (int i = 0; i < 50; ++i) {
        batch.put({1, 100}, "fits");
        batch.put(3, "name", {});
        CHECK(code_of([&] { batch.crystallize(); }) == "name_collision");
        batch.clear();
    }
    CHECK(used() == published);
    CHECK(mismatch(held, 1) == "");
}

TEST_CASE("a store that is being removed is whole or not there") {
    for (const std::string_view point :
         {"remove.before-file", "remove.file-gone", "remove.hidden"}) {
        CAPTURE(point);
        const TempStore store;
        {
            Producer producer = store.create();
            publish_all(producer, 1);
        }
        std::string code;
        at_point(point, [&] { code = code_of([&] { store.attach(); }); });
        remove_store(store.name(), store.base());
        CHECK(code == "store_not_found");
    }
}

TEST_CASE("an entry of the closing roots is empty while it changes") {
    std::array<ipc::ClosingRoot, ipc::closing_root_slots> table{};
    producer_impl::ClosingRoots roots(table.data());
    roots.add(5, 50, 1);
    bool looked = false;
    at_point("closing-root.half", [&] {
        looked = true;
        CHECK(table[0].epoch == 0);
        CHECK(table[0].root == 51);
        CHECK(table[0].oldest == 2);
    });
    roots.add(5, 51, 2);  // again: its first producer died before the epoch was over
    CHECK(looked);
    CHECK(table[0].epoch == 5);
    roots.add(6, 60, 3);
    looked = false;
    at_point("closing-root.twice", [&] {
        looked = true;
        CHECK(table[0].epoch == 6);  // never absent
        CHECK(table[0].root == 60);
    });
    roots.keep_only(std::array{ipc::EpochRange{6, 6}});
    CHECK(looked);
    REQUIRE(roots.find(6));
    CHECK(roots.find(6)->root == 60);
    CHECK(roots.find(6)->oldest == 3);
    CHECK(table[1].epoch == 0);
}
