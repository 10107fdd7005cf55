// SPDX-License-Identifier: Apache-2.0
// Waiting for generations; the end of producers and stores; attaching anew. No test here sleeps to
// let something happen.
#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/sleeping_thread.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/waiting.hpp"

using namespace strata;
using namespace std::chrono_literals;
using strata::test::code_of;
using strata::test::long_enough;
using strata::test::publish;
using strata::test::readable;
using strata::test::replacing;
using strata::test::SleepingThread;
using strata::test::TempStore;
using Clock = std::chrono::steady_clock;

TEST_CASE("a wait for what is there already returns at once") {
    const TempStore store;
    Producer producer = store.create();
    const Consumer consumer = store.attach();
    CHECK(consumer.generation() == 1);
    CHECK(consumer.wait(0, long_enough) == WaitResult::changed);
    CHECK(consumer.wait(0, 0ns) == WaitResult::changed);
    CHECK(consumer.wait(0, -1ns) == WaitResult::changed);
}

TEST_CASE("timeouts are of any unit, and empty options are the default ones") {
    const TempStore store;
    const Producer producer = store.create();
    const Consumer consumer = store.attach();
    CHECK(consumer.wait(0, {}) == WaitResult::changed);
    CHECK(consumer.wait(1, std::chrono::duration<double>(0.001)) == WaitResult::timeout);
    CHECK(consumer.wait(1, std::chrono::duration<float, std::micro>(0.5F)) == WaitResult::timeout);
    CHECK(consumer.wait(0, std::chrono::hours::max()) == WaitResult::changed);

    using detail::whole_nanoseconds;
    using std::chrono::duration;
    using std::chrono::nanoseconds;
    static_assert(whole_nanoseconds(3ms) == 3'000'000ns);
    static_assert(whole_nanoseconds(nanoseconds::max() - 1025ns) == nanoseconds::max() - 1025ns);
    static_assert(whole_nanoseconds(9'223'372'036s) == 9'223'372'036s);
    constexpr nanoseconds for_ever{-1};
    static_assert(whole_nanoseconds(9'223'372'037s) == for_ever);
    static_assert(whole_nanoseconds(nanoseconds::max()) == for_ever);
    static_assert(whole_nanoseconds(std::chrono::hours::max()) == for_ever);
    CHECK(whole_nanoseconds(duration<double>(1e300)) == for_ever);  // infinite, in nanoseconds
    static_assert(whole_nanoseconds(duration<double>(-1e-12)) == for_ever);
    CHECK(whole_nanoseconds(duration<double>(std::nan(""))) == for_ever);
}

TEST_CASE("a wait with nothing new ends after its timeout, not before") {
    const TempStore store;
    const Producer producer = store.create();
    const Consumer consumer = store.attach();
    CHECK(consumer.wait(1, 0ns) == WaitResult::timeout);
    for (const auto timeout : {1ms, 150ms}) {
        const auto start = Clock::now();
        CHECK(consumer.wait(1, timeout) == WaitResult::timeout);
        CHECK(Clock::now() - start >= timeout);
    }
}

TEST_CASE("every publication wakes the waiting thread, which sees at least that generation") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    constexpr Generation last = 300;
    int wrong = 0;
    std::thread waiter([&] {
        for (Generation seen = 1; seen < last && wrong == 0;) {
            wrong += consumer.wait(seen, long_enough) == WaitResult::changed ? 0 : 1;
            const Snapshot snapshot = consumer.snapshot();
            wrong += snapshot.generation() > seen ? 0 : 1;
            const Layer layer = snapshot.find({1, 1});
            wrong += layer.text() == std::to_string(snapshot.generation()) ? 0 : 1;
            seen = snapshot.generation();
        }
    });
    while (producer.generation() < last) {
        publish(producer, {1, 1}, std::to_string(producer.generation() + 1));
    }
    waiter.join();
    CHECK(wrong == 0);
    CHECK(consumer.generation() == last);
}

TEST_CASE("many threads wait on one consumer and all are woken") {
    const TempStore store;
    Producer producer = store.create();
    const Consumer consumer = store.attach();
    std::vector<std::thread> threads;
    std::atomic<int> changed{0};
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&] {
            changed += consumer.wait(1, -1ns) == WaitResult::changed ? 1 : 0;  // for ever
        });
    }
    publish(producer, {1, 1}, "x");
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(changed.load() == 8);
}

TEST_CASE("the end of the producer ends a wait; the snapshot stays readable") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    publish(*producer, {1, 1}, "last words");
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    WaitResult result{};
    std::thread waiter([&] { result = consumer.wait(2, long_enough); });
    producer.reset();
    waiter.join();
    CHECK(result == WaitResult::producer_gone);
    CHECK_FALSE(consumer.producer_alive());
    CHECK_FALSE(consumer.producer_pid());
    CHECK(consumer.wait(2, 0ns) == WaitResult::producer_gone);
    CHECK(consumer.wait(1, 0ns) == WaitResult::changed);  // what was published counts first
    CHECK(snapshot.get({1, 1}).text() == "last words");
    CHECK(consumer.snapshot().generation() == 2);
}

TEST_CASE("a wait goes on under the next producer of the same store") {
    const TempStore store;
    { const Producer producer = store.create(); }
    Consumer consumer = store.attach();
    CHECK(consumer.wait(1, long_enough) == WaitResult::producer_gone);
    Producer producer = store.open();
    CHECK(consumer.wait(1, 1ms) == WaitResult::timeout);
    std::thread waiter([&] { CHECK(consumer.wait(1, long_enough) == WaitResult::changed); });
    publish(producer, {1, 1}, "x");
    waiter.join();
    CHECK_FALSE(consumer.store_replaced());
}

TEST_CASE("a wait can be told to stop, from another thread, also beforehand") {
    const TempStore store;
    Producer producer = store.create();
    const Consumer consumer = store.attach();
    std::stop_source source;
    WaitResult result{};
    SleepingThread waiter([&] { result = consumer.wait(1, {.stop = source.get_token()}); });
    source.request_stop();
    waiter.join();
    CHECK(result == WaitResult::cancelled);
    CHECK(consumer.wait(1, {.stop = source.get_token()}) == WaitResult::cancelled);
    CHECK(consumer.wait(0, {.stop = source.get_token()}) == WaitResult::changed);
    std::stop_source other;  // never requested: as if there were none
    CHECK(consumer.wait(1, {.timeout = 1ms, .stop = other.get_token()}) == WaitResult::timeout);
    CHECK(to_string(WaitResult::cancelled) == "cancelled");
}

TEST_CASE("a wait goes on through the end of a producer and the start of the next, if it is to") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    const Consumer consumer = store.attach();
    WaitResult result{};
    const WaitOptions patient{.timeout = long_enough, .wait_for_producer = true};
    SleepingThread waiter([&] { result = consumer.wait(1, patient); });
    producer.reset();  // wakes it, and it goes on
    CHECK(consumer.wait(1, {.timeout = 150ms, .wait_for_producer = true}) == WaitResult::timeout);
    producer.emplace(store.open());
    publish(*producer, {1, 1}, "x");
    waiter.join();
    CHECK(result == WaitResult::changed);

    producer.reset();
    std::stop_source source;
    SleepingThread stopped([&] {
        result = consumer.wait(2, {.stop = source.get_token(), .wait_for_producer = true});
    });
    source.request_stop();
    stopped.join();
    CHECK(result == WaitResult::cancelled);

    SleepingThread outlived([&] { result = consumer.wait(2, patient); });
    producer.emplace(Producer::create(store.name(), replacing(store)));
    outlived.join();
    CHECK(result == WaitResult::store_replaced);
}

TEST_CASE("a replaced store ends a wait, and reattach leads to the new one") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    publish(*producer, {1, 1}, "old");
    Consumer consumer = store.attach();
    const Snapshot before = consumer.snapshot();
    REQUIRE(before.find({1, 1}));
    producer.reset();
    producer.emplace(Producer::create(store.name(), replacing(store)));
    CHECK(consumer.store_replaced());
    CHECK(consumer.wait(2, long_enough) == WaitResult::store_replaced);
    publish(*producer, {1, 1}, "new");
    CHECK(consumer.snapshot().get({1, 1}).text() == "old");
    consumer.reattach();
    CHECK_FALSE(consumer.store_replaced());
    CHECK(consumer.snapshot().get({1, 1}).text() == "new");
    CHECK(before.get({1, 1}).text() == "old");
    CHECK(code_of([&] { (void)changes(before, consumer.snapshot()); }) == "invalid_argument");
}

TEST_CASE("a removed store ends a wait; reattach fails until there is a new one") {
    const TempStore store;
    std::optional<Producer> producer = store.create();
    publish(*producer, {1, 1}, "old");
    Consumer consumer = store.attach();
    REQUIRE(consumer.snapshot().find({1, 1}));
    producer.reset();
    remove_store(store.name(), store.base());
    CHECK(consumer.wait(2, long_enough) == WaitResult::store_replaced);
    CHECK(code_of([&] { consumer.reattach(); }) == "store_not_found");
    CHECK(consumer.generation() == 2);  // the old attachment stays
    CHECK(consumer.snapshot().generation() == 2);
    producer.emplace(store.create());
    consumer.reattach();
    CHECK(consumer.snapshot().generation() == 1);
}

TEST_CASE("attach waits for a store to appear, and only as long as it was told") {
    const TempStore store;
    ConsumerOptions options = store.consumer_options();
    options.wait_for_store = 30ms;
    const auto start = Clock::now();
    CHECK(code_of([&] { (void)Consumer::attach(store.name(), options); }) == "store_not_found");
    CHECK(Clock::now() - start >= 30ms);
    options.wait_for_store = long_enough;
    options.base_path = store.base() / "not" / "there" / "yet";
    std::thread waiter([&] {
        Consumer consumer = Consumer::attach(store.name(), options);
        CHECK(consumer.wait(1, long_enough) == WaitResult::changed);
    });
    ProducerOptions producer_options = store.producer_options();
    producer_options.base_path = options.base_path;
    Producer producer = Producer::create(store.name(), producer_options);
    publish(producer, {1, 1}, "x");
    waiter.join();
}

TEST_CASE("attach waits as long as it takes, if it is told the longest time that there is") {
    const TempStore store;
    ConsumerOptions options = store.consumer_options();
    options.wait_for_store = std::chrono::milliseconds::max();
    std::string code;
    SleepingThread waiter(
        [&] { code = code_of([&] { (void)Consumer::attach(store.name(), options); }); });
    const Producer producer = store.create();
    waiter.join();
    CHECK(code == "no error");
}

TEST_CASE("an idle pin is released when the producer asks for it") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, std::string(100'000, 'a'));
    Consumer consumer = store.attach();
    for (int i = 0; i < 3; ++i) {  // from the second on, the pin is kept
        CHECK(consumer.snapshot().find({1, 1}));
    }
    CHECK(readers(store.name(), store.base()).size() == 1);
    publish(producer, {1, 1}, std::string(100'000, 'b'));
    const auto deadline = Clock::now() + long_enough;
    while (producer.stats().limbo_bytes > 0 && Clock::now() < deadline) {
        producer.reclaim();
        std::this_thread::yield();
    }
    CHECK(producer.stats().limbo_bytes == 0);
    CHECK(readers(store.name(), store.base()).empty());
    CHECK(consumer.snapshot().get({1, 1}).text().front() == 'b');
}

TEST_CASE("without an idle pin the last snapshot's end releases it at once") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    Consumer consumer = Consumer::attach(store.name(), options);
    for (int i = 0; i < 3; ++i) {
        {
            const Snapshot snapshot = consumer.snapshot();
            CHECK(readers(store.name(), store.base()).size() == 1);
        }
        CHECK(readers(store.name(), store.base()).empty());
    }
}
