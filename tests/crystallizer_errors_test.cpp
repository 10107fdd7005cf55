// SPDX-License-Identifier: Apache-2.0
// A Crystallizer's group in which something cannot be published: each change for itself, no
// question to a full store twice, and the count of what came of them. Options at their bounds.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <sys/syscall.h>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/refused_call.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace std::chrono_literals;
using strata::test::Channel;
using strata::test::Child;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::refuse_call;
using strata::test::TempStore;

TEST_CASE("what finds no memory is not asked for again until something is erased") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 2_MiB;
    Producer producer = Producer::create(store.name(), options);
    publish(producer, {1, 1}, payload_of(1, 1, 1'200'000));
    CrystallizerOptions grouped;
    grouped.max_delay = 1h;
    Crystallizer crystallizer(producer, grouped);
    const IngestTicket large = crystallizer.put({1, 2}, payload_of(1, 2, 1'000'000));
    const IngestTicket as_large = crystallizer.put({1, 3}, payload_of(1, 3, 1'000'000));
    const IngestTicket larger = crystallizer.put({1, 4}, payload_of(1, 4, 1'000'001));
    const IngestTicket small = crystallizer.put({1, 5}, "small");
    const IngestTicket erased = crystallizer.erase({1, 1});
    const IngestTicket afterwards = crystallizer.put({1, 6}, payload_of(1, 6, 1'000'000));
    crystallizer.flush();

    CHECK(code_of([&] { large.wait(); }) == "limit_exceeded");
    CHECK(code_of([&] { as_large.wait(); }) == "limit_exceeded");
    CHECK(code_of([&] { larger.wait(); }) == "limit_exceeded");
    CHECK(large.result().generation == 0);
    CHECK(as_large.result().generation == 0);
    CHECK(small.wait() == 3);
    CHECK(erased.wait() == 4);
    CHECK(afterwards.wait() == 5);
    // Once for the group, once for the first of the large ones.
    CHECK(producer.stats().allocation_failures == 2);
    const CrystallizerStats stats = crystallizer.stats();
    CHECK(stats.submitted == 6);
    CHECK(stats.published == 3);
    CHECK(stats.failed == 3);
    CHECK(stats.refused == 0);
    CHECK(stats.commits == 3);
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.layer_count() == 2);
    CHECK(snapshot.get({1, 6}).text() == payload_of(1, 6, 1'000'000));

    // The next group starts afresh: together, in one generation.
    const IngestTicket one = crystallizer.put({1, 7}, "one");
    const IngestTicket two = crystallizer.put({1, 8}, "two");
    CHECK(crystallizer.flush() == 6);
    CHECK(one.wait() == 6);
    CHECK(two.wait() == 6);
    CHECK(crystallizer.stats().commits == 4);
}

TEST_CASE("an error that is nobody's memory does not spoil the changes after it") {
    const TempStore store;
    Producer producer = store.create();
    CrystallizerOptions grouped;
    grouped.max_delay = 1h;
    Crystallizer crystallizer(producer, grouped);
    const IngestTicket crooked = crystallizer.put({1, 1}, "x", {.alignment = 3});
    const IngestTicket straight = crystallizer.put({1, 2}, "longer than the one before");
    crystallizer.flush();
    CHECK(code_of([&] { crooked.wait(); }) == "invalid_argument");
    CHECK(straight.wait() == 2);
    CHECK(crystallizer.flush() == 2);  // an empty group is no commit
    CHECK(crystallizer.stats().commits == 1);
    CHECK(crystallizer.stats().submitted == 2);
    CHECK(crystallizer.stats().failed == 1);
}

TEST_CASE("options are taken up to their bounds, and not beyond") {
    const TempStore store;
    Producer producer = store.create();
    const auto code_with = [&](auto change) {
        CrystallizerOptions options;
        options.max_delay = 0us;
        change(options);
        return code_of([&] {
            Crystallizer crystallizer(producer, options);
            crystallizer.put({1, 1}, "x").wait();
        });
    };
    CHECK(code_with([&](auto& o) { o.queue_capacity = 1; }) == "no error");
    CHECK(code_with([&](auto& o) { o.queue_capacity = 65534; }) == "no error");
    CHECK(code_with([](auto& o) { o.queue_capacity = 0; }) == "invalid_argument");
    CHECK(code_with([](auto& o) { o.queue_capacity = 65535; }) == "invalid_argument");
    CHECK(code_with([](auto& o) { o.max_changes = 1; }) == "no error");
    CHECK(code_with([](auto& o) { o.max_changes = 0; }) == "invalid_argument");
    CHECK(code_with([](auto& o) { o.max_delay = -1us; }) == "invalid_argument");
}

TEST_CASE("without a thread there is no crystallizer, and the producer works on") {
    const TempStore store;
    { const Producer producer = store.create(); }
    Child child = Child::start([&](const Channel&) {
        Producer producer = store.open();
        refuse_call(SYS_clone3, EAGAIN);
        refuse_call(SYS_clone, EAGAIN);
        const auto error = error_of([&] { const Crystallizer crystallizer(producer); });
        STRATA_REQUIRE(error.has_value());
        STRATA_REQUIRE_EQ(error->errno_value(), EAGAIN);
        STRATA_REQUIRE_EQ(error->path(), store.path().string());
        STRATA_REQUIRE_EQ(error->detail(), "cannot start its thread");
        STRATA_REQUIRE_EQ(publish(producer, {1, 1}, "without it"), 2U);
    });
    CHECK(child.join() == "");
}

TEST_CASE("a group is closed by the bytes that reach max_bytes") {
    const TempStore store;
    Producer producer = store.create();
    CrystallizerOptions options;
    options.max_delay = 1h;
    options.max_bytes = 1000;
    Crystallizer crystallizer(producer, options);
    const IngestTicket first = crystallizer.put({1, 1}, payload_of(1, 1, 999));
    CHECK_FALSE(first.wait_for(10ms));
    CHECK(crystallizer.put({1, 2}, "x").wait() == 2);
    CHECK(first.wait() == 2);
    const IngestTicket next = crystallizer.put({1, 3}, payload_of(1, 3, 999));
    CHECK_FALSE(next.wait_for(10ms));  // counted from zero again
    CHECK_FALSE(next.done());
    CHECK(crystallizer.flush() == 3);
    CHECK(next.done());
    CHECK(next.wait_for(0ns)->generation == 3);
}

TEST_CASE("a proto-dimension counts its bytes, and starts at zero when it was discarded") {
    const TempStore store;
    Producer producer = store.create();
    ProtoDimension proto = producer.proto_dimension(20, "Dreams");
    proto.put(1, "12345");
    proto.put(2, "123");
    CHECK(proto.info().payload_bytes == 8);
    proto.put(1, "1");
    CHECK(proto.info().payload_bytes == 4);
    proto.append(2, std::as_bytes(std::span("45", 2)));
    CHECK(proto.info().payload_bytes == 6);
    CHECK(proto.erase(2));
    CHECK_FALSE(proto.erase(2));
    CHECK(proto.info().payload_bytes == 1);
    CHECK(producer.proto_dimensions().size() == 1);
    proto.discard();
    CHECK(proto.size() == 0);
    CHECK(proto.info().payload_bytes == 0);
    CHECK(producer.proto_dimensions().empty());
    proto.put(3, "ab");
    CHECK(proto.info().payload_bytes == 2);
    CHECK(producer.proto_dimensions().size() == 1);
    proto.clear();
    CHECK(proto.info().payload_bytes == 0);
    CHECK(proto.size() == 0);
    CHECK(producer.proto_dimensions().size() == 1);
    proto.append(4, std::as_bytes(std::span("abc", 3)));
    CHECK(proto.info().payload_bytes == 3);
    CHECK(proto.crystallize() == 2);
    CHECK(proto.info().payload_bytes == 0);
    CHECK(store.attach().snapshot().get({20, 4}).text() == "abc");
}
