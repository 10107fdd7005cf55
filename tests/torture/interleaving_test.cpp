// SPDX-License-Identifier: Apache-2.0
// Interleavings that are rare in nature, made certain: at the crash points, instead of dying, one
// side waits while the other acts. Everything happens in one thread.
#include <csignal>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

std::function<void(std::string_view)> visitor;
const std::thread::id main_thread = std::this_thread::get_id();

/// Calls `action` at the next pass of the point.
template <class Action>
void at_point(std::string_view point, Action action) {
    visitor = [point, action](std::string_view name) {
        if (name == point) {
            visitor = nullptr;  // first: the action passes points itself
            action();
        }
    };
}

constexpr std::uint64_t layers = 20;
constexpr std::size_t layer_bytes = 700;

Generation publish_all(Producer& producer, std::uint64_t version) {
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({1, i}, payload_of(i, version, layer_bytes));
    }
    return batch.crystallize();
}

/// Fills whatever is free with other things, several times over.
void churn(Producer& producer, std::uint64_t first_version) {
    for (std::uint64_t version = first_version; version < first_version + 12; ++version) {
        publish_all(producer, version);
        producer.reclaim();
    }
}

/// Empty if the snapshot has version `version` of all layers.
std::string mismatch(const Snapshot& snapshot, std::uint64_t version) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        const Layer layer = snapshot.find({1, i});
        if (!layer || layer.text() != payload_of(i, version, layer_bytes) || !layer.verify()) {
            return "layer " + std::to_string(i);
        }
    }
    return "";
}

ConsumerOptions without_threads(const TempStore& store) {
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    return options;
}

}  // namespace

namespace strata::ipc {
void crash_point(const char* name) noexcept {
    if (visitor && std::this_thread::get_id() == main_thread) {
        const auto copy = visitor;  // it may replace itself
        copy(name);
    }
}
}  // namespace strata::ipc

TEST_CASE(
    "the clock moves on and a younger root appears between the pin and the look at the root") {
    for (const std::string_view point : {"pin.epoch-read", "pin.locked", "pin.confirmed"}) {
        CAPTURE(point);
        const TempStore store;
        Producer producer = store.create();
        publish_all(producer, 1);
        publish_all(producer, 2);
        Consumer consumer = Consumer::attach(store.name(), without_threads(store));
        bool acted = false;
        at_point(point, [&] {
            producer.reclaim();
            publish_all(producer, 3);
            acted = true;
        });
        const Snapshot snapshot = consumer.snapshot();
        CHECK(acted);
        CHECK(mismatch(snapshot, 3) == "");
        churn(producer, 10);
        CHECK(mismatch(snapshot, 3) == "");
    }
}

TEST_CASE("the clock moves on while the root is looked at") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer, 1);
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    at_point("view.root-loaded", [&] { churn(producer, 10); });
    const Snapshot snapshot = consumer.snapshot();
    CHECK(visitor == nullptr);
    const bool old = mismatch(snapshot, 1).empty();
    CHECK((old || mismatch(snapshot, 21).empty()));
    churn(producer, 40);
    CHECK(mismatch(snapshot, old ? 1 : 21) == "");
}

TEST_CASE("a pin that is taken while the producer looks at the pins") {
    for (const std::string_view point :
         {"reclaim.begin", "reclaim.epoch-stored", "reclaim.pins-known", "reclaim.freed"}) {
        CAPTURE(point);
        const TempStore store;
        Producer producer = store.create();
        publish_all(producer, 1);
        publish_all(producer, 2);
        Consumer consumer = Consumer::attach(store.name(), without_threads(store));
        std::optional<Snapshot> snapshot;
        at_point(point, [&] { snapshot = consumer.snapshot(); });
        producer.reclaim();
        REQUIRE(snapshot);
        churn(producer, 10);
        CHECK(mismatch(*snapshot, 2) == "");
    }
}

TEST_CASE("first the root, then the ring of generations, then the number") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain = 2;
    Producer producer = Producer::create(store.name(), options);
    const Generation before = publish_all(producer, 1);
    const Generation after = before + 1;
    Consumer consumer = Consumer::attach(store.name(), without_threads(store));
    std::vector<std::string> seen;
    const auto look = [&](const char* when) {
        const std::string root =
            consumer.snapshot().generation() == after ? "new root" : "old root";
        const std::string ring = code_of([&] { consumer.snapshot(after); });
        const std::string number = consumer.generation() == after ? "new number" : "old number";
        seen.push_back(std::string(when) + ": " + root + ", " + ring + ", " + number);
    };
    visitor = [&](std::string_view name) {
        for (const char* const point : {"commit.before-root", "commit.root-stored",
                                        "commit.history-stored", "commit.generation-stored"}) {
            if (name == point) {
                const auto again = std::exchange(visitor, nullptr);
                look(point);
                visitor = again;
            }
        }
    };
    publish_all(producer, 2);
    visitor = nullptr;
    REQUIRE(seen.size() == 4);
    CHECK(seen[0] == "commit.before-root: old root, generation_not_retained, old number");
    // As the newest root it can be asked for by number even before it stands in the ring.
    CHECK(seen[1] == "commit.root-stored: new root, no error, old number");
    CHECK(seen[2] == "commit.history-stored: new root, no error, old number");
    CHECK(seen[3] == "commit.generation-stored: new root, no error, new number");
}

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
