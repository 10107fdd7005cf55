// SPDX-License-Identifier: Apache-2.0
// Clocks that stand, jump or go by the test's word: ages, retention and waits keep to the steady
// one.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/producer_life.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

TEST_CASE("how slow a reader is does not hang on the wall clock") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    std::int64_t now = 1'700'000'000'000'000'000;
    const WallClock clock([&] { return now; });
    const TempStore store;
    unsigned told = 0;
    ProducerOptions options = store.producer_options();
    options.slow_readers.max_age = std::chrono::hours(1);
    options.slow_readers.on_slow_reader = [&](const SlowReader&) { ++told; };
    Producer producer = Producer::create(store.name(), options);
    publish(producer, {1, 1}, "first");
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    for (const std::int64_t jump : {0, 7'200, -14'400, 86'400}) {  // seconds
        now += jump * 1'000'000'000;
        publish(producer, {1, 1}, "next");
        producer.reclaim();
    }
    CHECK(told == 0);
}

TEST_CASE("commits in a row look at the store's name once, not each of them") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const WallClock clock([] { return std::int64_t{1'700'000'000'000'000'000}; });  // it stands
    const TempStore store;
    Producer producer = store.create();
    for (int i = 0; i < 100; ++i) {
        publish(producer, {1, 1}, "first");
    }
    producer.reclaim();  // the files have room now
    const FailingCall failing(1);
    for (int i = 0; i < 20; ++i) {
        publish(producer, {1, 1}, "again");
    }
    CAPTURE(FailingCall::name());
    CHECK_FALSE(FailingCall::happened());
}

TEST_CASE("how long generations are retained does not hang on the wall clock") {
    constexpr std::int64_t day = 86'400'000'000'000;
    std::atomic<std::int64_t> now{100 * day};
    const WallClock clock([&] { return now.load(); });
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain_for = std::chrono::nanoseconds(1);
    Producer producer = Producer::create(store.name(), options);
    Consumer consumer = store.attach();
    const auto oldest_after_commits = [&] {
        for (int i = 0; i < 20; ++i) {
            publish(producer, {1, 1}, "again");
        }
        return producer.generation() - consumer.retained().first;
    };
    const Generation kept = oldest_after_commits();
    CHECK(kept <= 1);
    now -= 50 * day;  // not retained until that time comes again
    CHECK(oldest_after_commits() <= 1);
    options.retain_for = std::chrono::hours(1);
    producer = [&] {
        { const Producer ended = std::move(producer); }
        return Producer::open(store.name(), options);
    }();
    const Generation first = producer.generation();
    oldest_after_commits();
    now += 50 * day;  // nor given up too early
    oldest_after_commits();
    CHECK(consumer.retained().first == first);
}

TEST_CASE("a generation is retained for its time to the nanosecond, by the steady clock") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    constexpr std::int64_t start = 1'000'000'000'000;
    constexpr std::int64_t kept = 20'000'000;
    std::atomic<std::int64_t> now{start};
    const SteadyClock clock([&] { return now.load(); });
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain_for = std::chrono::nanoseconds(kept);
    Producer producer = Producer::create(store.name(), options);
    Consumer consumer = store.attach();
    const auto oldest_after_commit_at = [&](std::int64_t time) {
        now = start + time;
        publish(producer, {1, 1}, "again");
        return consumer.retained().first;
    };
    // Each commit supersedes the generation before: the first one at 0.
    CHECK(oldest_after_commit_at(0) == 1);
    CHECK(oldest_after_commit_at(1) == 1);
    CHECK(oldest_after_commit_at(kept / 2) == 1);
    CHECK(oldest_after_commit_at(kept / 2 + 1) == 1);
    CHECK(oldest_after_commit_at(kept - 1) == 1);
    CHECK(consumer.snapshot(1).generation() == 1);
    CHECK(oldest_after_commit_at(kept) == 2);
    CHECK(code_of([&] { (void)consumer.snapshot(1); }) == "generation_not_retained");
    CHECK(oldest_after_commit_at(kept + 1) == 3);
    CHECK(oldest_after_commit_at(kept + kept / 2 - 1) == 3);
    CHECK(oldest_after_commit_at(kept + kept / 2) == 4);
    // All are too old: the last one was current until this commit.
    CHECK(oldest_after_commit_at(10 * kept) == 10);
}

TEST_CASE("a wall clock that jumps changes nothing but the times that are told") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    // An hour back, a century on, before the epoch, to the end of its range.
    std::vector<std::int64_t> times = {
        1'700'000'000'000'000'000, 1'699'996'400'000'000'000, 4'900'000'000'000'000'000, 0, 1,
        9'200'000'000'000'000'000};
    std::size_t calls = 0;
    const WallClock clock([&] { return times[calls++ % times.size()]; });
    const TempStore store;
    Life life(store);
    life.run();
    Producer producer = store.open();
    Consumer consumer = store.attach();
    Snapshot held = consumer.snapshot();
    expect_contents(held, life.contents());
    const Generation before = producer.generation();
    for (std::uint64_t i = 0; i < 200; ++i) {
        publish(producer, {9, i % 7}, payload_of(i, 0, 3000));
        if (i % 20 == 0) producer.reclaim();
        CHECK(consumer.wait(producer.generation() - 1, patience) == WaitResult::changed);
        CHECK(consumer.snapshot().generation() == producer.generation());
    }
    CHECK(consumer.wait(producer.generation(), std::chrono::milliseconds(5)) ==
          WaitResult::timeout);
    CHECK(producer.generation() == before + 200);
    expect_contents(held, life.contents());
    (void)statistics(producer);
    (void)summary(statistics(consumer));
    held = {};
    (void)consumer.snapshot();
    producer.reclaim();
    CHECK(calls > 200);
}
