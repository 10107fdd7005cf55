// SPDX-License-Identifier: Apache-2.0
// The descriptor that a consumer's generations and the end of its producer make readable.
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <sys/resource.h>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"
#include "tests/support/waiting.hpp"

using namespace strata;
using namespace std::chrono_literals;
using strata::test::error_of;
using strata::test::long_enough;
using strata::test::publish;
using strata::test::readable;
using strata::test::replacing;
using strata::test::TempStore;

TEST_CASE("the event descriptor is readable after a publication until it is acknowledged") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    const int fd = consumer.event_descriptor();
    CHECK(consumer.event_descriptor() == fd);
    CHECK_FALSE(readable(fd, 0ms));
    for (int i = 0; i < 20; ++i) {
        const Generation g = publish(producer, {1, 1}, std::to_string(i));
        REQUIRE(readable(fd, long_enough));
        CHECK(readable(fd, 0ms));  // level-triggered
        CHECK(consumer.acknowledge_event() == g);
    }
    // Several publications before one acknowledgement are one event.
    publish(producer, {1, 1}, "a");
    publish(producer, {1, 1}, "b");
    REQUIRE(readable(fd, long_enough));
    CHECK(consumer.acknowledge_event() == 23);
}

TEST_CASE("the event descriptor tells of a generation from before it was made") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    publish(producer, {1, 1}, "after attach");
    CHECK(readable(consumer.event_descriptor(), long_enough));

    Consumer acknowledging = store.attach();
    CHECK(acknowledging.acknowledge_event() == 2);
    publish(producer, {1, 1}, "after the acknowledgement");
    CHECK(readable(acknowledging.event_descriptor(), long_enough));
    CHECK(acknowledging.acknowledge_event() == 3);
    CHECK_FALSE(readable(acknowledging.event_descriptor(), 0ms));
}

TEST_CASE("the event descriptor after reattach goes on from what was acknowledged") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    Consumer consumer = store.attach();
    CHECK(consumer.acknowledge_event() == 1);
    publish(*producer, {1, 1}, "before reattach");
    consumer.reattach();
    CHECK(readable(consumer.event_descriptor(), long_enough));
    CHECK(consumer.acknowledge_event() == 2);
    consumer.reattach();
    CHECK_FALSE(readable(consumer.event_descriptor(), 0ms));
    // A new store's first generations are news, whatever their numbers.
    producer.reset();
    producer.emplace(Producer::create(store.name(), replacing(store)));
    consumer.reattach();
    CHECK(readable(consumer.event_descriptor(), long_enough));
    CHECK(consumer.acknowledge_event() == 1);
}

TEST_CASE("the event descriptor tells of the producer's end once, and of its successor's work") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    Consumer consumer = store.attach();
    const int fd = consumer.event_descriptor();
    producer.reset();
    REQUIRE(readable(fd, long_enough));
    CHECK(consumer.acknowledge_event() == 1);
    CHECK(consumer.wait(1, 0ns) == WaitResult::producer_gone);
    CHECK_FALSE(readable(fd, 250ms));  // not again at every look
    producer.emplace(store.open());
    publish(*producer, {1, 1}, "x");
    REQUIRE(readable(fd, long_enough));
    CHECK(consumer.acknowledge_event() == 2);
}

TEST_CASE("an event descriptor that is not to be had is refused, and can be had later") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    // UBSan learns the type of an Error by means that need descriptors.
    CHECK(error_of([&] { (void)Consumer::attach("none", store.consumer_options()); }));
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto error = error_of([&] { consumer.event_descriptor(); });
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    REQUIRE(error);
    CHECK(error->code() == Errc::system);
    CHECK(error->errno_value() == EMFILE);
    const int fd = consumer.event_descriptor();
    publish(producer, {1, 1}, "x");
    CHECK(readable(fd, long_enough));
}

TEST_CASE("the event descriptor tells that a producer came back, though it publishes nothing") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    Consumer consumer = store.attach();
    const int fd = consumer.event_descriptor();
    producer.reset();
    REQUIRE(readable(fd, long_enough));
    consumer.acknowledge_event();
    producer.emplace(store.open());
    REQUIRE(readable(fd, long_enough));
    CHECK(consumer.acknowledge_event() == 1);
    CHECK(consumer.producer_alive());
}

TEST_CASE("the event descriptor tells of a replaced store") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    Consumer consumer = store.attach();
    const int fd = consumer.event_descriptor();
    producer.reset();
    REQUIRE(readable(fd, long_enough));
    consumer.acknowledge_event();
    remove_store(store.name(), store.base());
    REQUIRE(readable(fd, long_enough));
    CHECK(consumer.store_replaced());
}

TEST_CASE("a consumer with a notifier and an idle pin goes at once, whatever its threads do") {
    const TempStore store;
    Producer producer = store.create();
    for (int i = 0; i < 50; ++i) {
        Consumer consumer = store.attach();
        consumer.event_descriptor();
        for (int k = 0; k < 3; ++k) {
            publish(producer, {1, 1}, "x");
            CHECK(consumer.snapshot().generation() == producer.generation());
        }
        producer.reclaim();
    }
    CHECK(readers(store.name(), store.base()).empty());
}
