// SPDX-License-Identifier: Apache-2.0
// Every system call of a producer's and a consumer's life fails once, in turn; signals interrupt
// all of them. Nothing published is lost, nothing is left behind.
#include <cerrno>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/producer_life.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE(
    "any one system call of a producer may fail: an error, nothing lost, nothing left behind") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    std::set<std::string> names;
    std::uint64_t n = 0;
    for (bool again = true; again;) {
        ++n;
        const TempStore store;
        const std::size_t descriptors = entries("/proc/self/fd");
        Life life(store);
        {
            const FailingCall failing(n);
            life.run();
            again = FailingCall::happened();
            names.insert(FailingCall::name());
        }
        CAPTURE(n);
        CAPTURE(FailingCall::name());
        CHECK(entries("/proc/self/fd") == descriptors);
        REQUIRE(life.exists());
        CHECK(entries(store.base()) == 1);  // the store, no half one
        Producer next = store.open();
        CHECK(next.generation() == life.generation());
        next.trim();
        CHECK(next.stats().committed_bytes == store.allocated_bytes());
        expect_contents(store.attach().snapshot(), life.contents());
        CHECK(store.region_files() == statistics(next).regions.size());
    }
    MESSAGE((n - 1) << " calls failed, one at a time");
    CHECK(n > 60);
    for (const char* const name :
         {"posix_fallocate", "openat", "openat (create)", "open", "mkdirat", "fchmod", "renameat2",
          "fstat", "pread", "mmap", "fcntl (lock)", "fcntl (question)", "fallocate", "unlinkat",
          "readdir"}) {
        CAPTURE(name);
        CHECK(names.contains(name));
    }
}

TEST_CASE("any one system call of a consumer may fail: an error or a result, and nothing is kept") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const TempStore store;
    Producer producer = store.create();
    Contents contents;
    for (std::uint64_t i = 0; i < 20; ++i) {
        const auto dimension = static_cast<Dimension>(i % 3);
        contents[{dimension, i}] = payload_of(i, 0, 100);
        publish(producer, {dimension, i}, contents[{dimension, i}]);
    }
    const std::size_t descriptors = entries("/proc/self/fd");
    std::set<std::string> names;
    std::uint64_t n = 0;
    std::uint64_t errors = 0;
    for (bool again = true; again;) {
        ++n;
        CAPTURE(n);
        ConsumerOptions options = store.consumer_options();
        options.keep_idle_pin = false;
        std::optional<FailingCall> failing(n);
        int event = 0;
        const std::optional<Error> error = error_of([&] {
            Consumer consumer = Consumer::attach(store.name(), options);
            Snapshot snapshot = consumer.snapshot();
            for (const auto& [id, text] : contents) {
                const std::string_view found = snapshot.get({id.first, id.second}).text();
                CHECK(found == text);
            }
            const VerifyReport report = verify(snapshot);
            CHECK((report.ok() || FailingCall::happened()));
            (void)consumer.producer_alive();
            (void)consumer.store_replaced();
            event = consumer.event_descriptor();
            consumer.reattach();
            snapshot = consumer.snapshot();
            (void)copy_layer(snapshot, {0, 0});
            (void)statistics(consumer);
            (void)inspect(store.name(), store.base());
            (void)readers(store.name(), store.base());
        });
        again = FailingCall::happened();
        failing.reset();
        CAPTURE(FailingCall::name());
        CHECK(event >= 0);
        if (error) {
            expect_telling(*error, store.base());
            ++errors;
        }
        names.insert(FailingCall::name());
        CHECK(entries("/proc/self/fd") == descriptors);
        CHECK(readers(store.name(), store.base()).empty());
    }
    CHECK(errors > 20);
    CHECK(names.contains("eventfd"));
    expect_contents(store.attach().snapshot(), contents);
}

TEST_CASE("a snapshot whose pin the kernel refuses is not given") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    unsigned refused = 0;
    bool again = true;
    for (std::uint64_t n = 1; again; ++n) {
        Consumer consumer = Consumer::attach(store.name(), options);
        std::optional<Error> error;
        Snapshot snapshot;
        {
            const FailingCall failing(n);
            error = error_of([&] { snapshot = consumer.snapshot(); });
            again = FailingCall::happened();
        }
        if (FailingCall::name() != "fcntl (lock)") continue;
        ++refused;
        REQUIRE(error);
        CHECK(error->code() == Errc::system);
        CHECK(error->errno_value() == ENOLCK);
        CHECK(error->path() == store.file("control.mmap"));
        CHECK_FALSE(snapshot);
        CHECK(readers(store.name(), store.base()).empty());
        CHECK(consumer.snapshot().get({1, 1}).text() == "x");
    }
    CHECK(refused == 1);
}

TEST_CASE(
    "any one system call of a fork may fail: the child's snapshot is pinned until it releases it") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const TempStore store;
    Producer producer = store.create();
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    unsigned refused_in_child = 0;
    unsigned refused_before = 0;
    bool again = true;
    for (std::uint64_t n = 1; again; ++n) {
        CAPTURE(n);
        publish(producer, {1, 1}, "held");
        Consumer consumer = Consumer::attach(store.name(), options);
        Snapshot held = consumer.snapshot();
        std::optional<test::Child> child;
        {
            const FailingCall failing(n);
            child.emplace(test::Child::start([&](const test::Channel& channel) {
                const bool refused = FailingCall::happened();
                const OwnCalls healed;
                channel.send(refused ? 1 : 0);
                channel.receive();
                STRATA_REQUIRE_EQ(std::string(held.get({1, 1}).text()), "held");
                held = Snapshot{};
                channel.send(2);
                channel.receive();
            }));
            again = FailingCall::happened();
            refused_before += again ? 1 : 0;
        }
        const bool in_child = child->receive() == 1;
        refused_in_child += in_child ? 1 : 0;
        again = again || in_child;
        held = Snapshot{};
        for (int i = 0; i < 3; ++i) {
            publish(producer, {1, 1}, "other");
            producer.reclaim();
        }
        CHECK(readers(store.name(), store.base()).size() == 1);
        child->send(0);
        REQUIRE(child->receive() == 2);
        CHECK(readers(store.name(), store.base()).empty());
        child->send(0);
        CHECK(child->join() == "");
    }
    // A pin taken and one released under the parent's name, at least.
    CHECK(refused_in_child >= 2);
    CHECK(refused_before >= 2);
}

TEST_CASE("signals may interrupt every system call, again and again") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const TempStore store;
    Life life(store);
    {
        const Interruptions storm(3);
        life.run();
        const Snapshot snapshot = store.attach().snapshot();
        expect_contents(snapshot, life.contents());
        CHECK(Interruptions::count() > 100);
    }
    CHECK(store.open().generation() == life.generation());
}
