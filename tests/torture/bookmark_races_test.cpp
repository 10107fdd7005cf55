// SPDX-License-Identifier: Apache-2.0
// Bookmarks that are set, removed or left by a dying producer while somebody takes them.
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/torture/at_point.hpp"
#include "tests/torture/versions.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE("a bookmark that goes while somebody takes it is taken whole, or refused") {
    // Moved on by another one as well: then the name leads there, or to what it led to.
    for (const bool moved : {false, true}) {
        for (const std::string_view point :
             {"pin.epoch-read", "pin.locked", "pin.confirmed", "view.bookmark-found",
              "view.root-loaded", "view.epoch-confirmed"}) {
            CAPTURE(point);
            CAPTURE(moved);
            const TempStore store;
            Producer producer = store.create();
            publish_all(producer, 1);
            producer.set_bookmark("mark");
            churn(producer, 10);
            Consumer consumer = Consumer::attach(store.name(), without_threads(store));
            bool acted = false;
            at_point(point, [&] {
                acted = true;
                if (moved) {
                    producer.set_bookmark("mark");
                } else {
                    producer.remove_bookmark("mark");
                }
                churn(producer, 30);
            });
            Snapshot snapshot;
            const std::string code = code_of([&] { snapshot = consumer.snapshot_at("mark"); });
            CHECK(acted);
            const bool before_the_file = point.starts_with("pin.");
            if (before_the_file && !moved) {
                CHECK(code == "bookmark_not_found");
                continue;
            }
            CHECK(code == "no error");
            const std::uint64_t version = before_the_file ? 21 : 1;
            CHECK(mismatch(snapshot, version) == "");
            // And it stays, until it is dropped.
            churn(producer, 50);
            CHECK(mismatch(snapshot, version) == "");
            if (moved) {
                producer.remove_bookmark("mark");
            }
            churn(producer, 70);
            CHECK(mismatch(snapshot, version) == "");
            snapshot = {};
            producer.reclaim();
            producer.reclaim();
            CHECK(producer.stats().limbo_bytes == 0);
        }
    }
}

TEST_CASE("a bookmark that is set while somebody looks for it protects who finds it") {
    std::uint64_t version = 1;
    SUBCASE("of a generation that his pin holds") {}
    SUBCASE("of one that is younger than his pin") { version = 2; }
    for (const std::string_view point : {"pin.epoch-read", "pin.locked", "pin.confirmed"}) {
        CAPTURE(point);
        const TempStore store;
        Producer producer = store.create();
        publish_all(producer, 1);
        Consumer consumer = Consumer::attach(store.name(), without_threads(store));
        at_point(point, [&] {
            if (version == 2) {
                producer.reclaim();
                publish_all(producer, 2);
            }
            producer.set_bookmark("mark");
        });
        const Snapshot snapshot = consumer.snapshot_at("mark");
        producer.remove_bookmark("mark");
        churn(producer, 10);
        CHECK(mismatch(snapshot, version) == "");
    }
}

TEST_CASE("a producer that dies with a bookmark in its hands has set it, or has not") {
    for (const std::string_view act : {"set", "move", "remove"}) {
        for (const std::string_view point :
             {"bookmark.before-file", "bookmark.file-written", "bookmark.set", "bookmark.removed",
              "reclaim.epoch-stored", "reclaim.pins-known"}) {
            CAPTURE(act);
            CAPTURE(point);
            const TempStore store;
            Child child = Child::start([&](const Channel& channel) {
                Producer producer = store.create();
                publish_all(producer, 1);
                producer.set_bookmark("old");
                publish_all(producer, 2);
                channel.send(1);
                channel.receive();
                at_point(point, [] { std::raise(SIGKILL); });
                if (act == "remove") {
                    producer.remove_bookmark("old");
                } else {
                    producer.set_bookmark(act == "set" ? "new" : "old");
                }
                std::raise(SIGKILL);  // not every act comes to every point
            });
            child.receive();
            Consumer consumer = Consumer::attach(store.name(), without_threads(store));
            Snapshot reader = consumer.snapshot_at("old");
            child.send(1);
            CHECK(child.join_killed() == "");
            std::optional<Producer> next(store.open());
            churn(*next, 10);
            CHECK(mismatch(reader, 1) == "");
            next.reset();
            next.emplace(store.open());
            churn(*next, 30);
            CHECK(mismatch(reader, 1) == "");
            for (const Bookmark& bookmark : next->bookmarks()) {
                const std::uint64_t version = bookmark.generation == reader.generation() ? 1 : 2;
                CHECK(mismatch(consumer.snapshot_at(bookmark.name), version) == "");
            }
            const std::size_t names = next->bookmarks().size();
            CHECK(names >= (act == "remove" ? 0U : 1U));
            CHECK(names <= (act == "set" ? 2U : 1U));
            for (const Bookmark& bookmark : next->bookmarks()) {
                next->remove_bookmark(bookmark.name);
            }
            CHECK(mismatch(reader, 1) == "");
            reader = {};
            next->reclaim();
            CHECK(next->stats().limbo_bytes == 0);
        }
    }
}
