// SPDX-License-Identifier: Apache-2.0
// What reclaim and trim say that they gave back, against what the books and the kernel say.
#include <algorithm>
#include <cstdint>

#include <doctest/doctest.h>

#include "strata/statistics.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

TEST_CASE("reclaim returns what can be used again: blocks, and the files of removed dimensions") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < 60; ++layer) {
        batch.put({1, layer}, payload_of(1, layer, 500));
    }
    batch.put({2, 1}, payload_of(2, 1, 1'000'000));
    batch.crystallize();
    producer.reclaim();

    for (std::uint64_t layer = 0; layer < 30; ++layer) {
        batch.erase({1, layer});
    }
    batch.crystallize();
    const std::uint64_t retired = producer.stats().limbo_bytes;
    CHECK(retired >= 30 * 512);
    CHECK(producer.reclaim() == retired);
    CHECK(producer.stats().limbo_bytes == 0);
    CHECK(producer.reclaim() == 0);

    batch.remove_dimension(2);
    batch.crystallize();
    const ProducerStats before = producer.stats();
    const std::uint64_t reclaimed = producer.reclaim();
    const ProducerStats after = producer.stats();
    CHECK(before.committed_bytes - after.committed_bytes >= 1'000'000);
    CHECK(reclaimed == before.limbo_bytes + before.committed_bytes - after.committed_bytes);
    CHECK(after.committed_bytes == store.allocated_bytes());
}

TEST_CASE("nothing is reclaimed while a snapshot holds it, and all of it afterwards") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    Consumer consumer = Consumer::attach(store.name(), options);
    publish(producer, {1, 1}, payload_of(1, 1, 20'000));
    producer.reclaim();
    Snapshot held = consumer.snapshot();
    publish(producer, {1, 1}, "new");
    const std::uint64_t retired = producer.stats().limbo_bytes;
    CHECK(retired >= 20'000);
    CHECK(producer.reclaim() == 0);
    CHECK(producer.reclaim() == 0);
    CHECK(producer.stats().limbo_bytes == retired);
    CHECK(held.get({1, 1}).text() == payload_of(1, 1, 20'000));
    held = Snapshot();
    CHECK(producer.reclaim() == retired);
    CHECK(producer.stats().limbo_bytes == 0);
}

TEST_CASE("trim returns the memory that the system has back, of all files") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, payload_of(1, 1, 2'000'000));
    publish(producer, {2, 1}, payload_of(2, 1, 1'000'000));
    Batch batch = producer.batch();
    batch.erase({1, 1});
    batch.erase({2, 1});
    batch.crystallize();
    const std::uint64_t before = store.allocated_bytes();
    CHECK(producer.stats().committed_bytes == before);
    const std::uint64_t trimmed = producer.trim();
    CHECK(trimmed >= 3'000'000);
    CHECK(store.allocated_bytes() == before - trimmed);
    CHECK(producer.stats().committed_bytes == before - trimmed);
    CHECK(producer.trim() == 0);
    publish(producer, {1, 1}, payload_of(1, 2, 2'000'000));
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    CHECK(store.attach().snapshot().get({1, 1}).text() == payload_of(1, 2, 2'000'000));
}

TEST_CASE("trim reaches the file of a removed dimension that a snapshot still holds") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, payload_of(1, 1, 1'000'000));
    publish(producer, {1, 2}, payload_of(1, 2, 1000));
    Batch batch = producer.batch();
    batch.erase({1, 1});
    batch.crystallize();
    producer.reclaim();
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    batch.remove_dimension(1);
    batch.crystallize();
    const std::uint64_t before = store.allocated_bytes();
    const std::uint64_t trimmed = producer.trim();
    CHECK(trimmed >= 1'000'000);
    CHECK(store.allocated_bytes() == before - trimmed);
    CHECK(producer.stats().committed_bytes == before - trimmed);
    CHECK(held.get({1, 2}).text() == payload_of(1, 2, 1000));
}

TEST_CASE("commits reclaim by themselves: not each of them, and in time") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    const auto most_that_waits = [&](std::uint64_t layer_bytes, int commits) {
        std::uint64_t most = 0;
        const auto reclaims = [&] { return statistics(producer).reclaims; };
        const std::uint64_t before = reclaims();
        for (int i = 0; i < commits; ++i) {
            publish(producer, {1, 1}, payload_of(1, static_cast<std::uint64_t>(i), layer_bytes));
            most = std::max(most, producer.stats().limbo_bytes);
        }
        CHECK(reclaims() > before);
        CHECK(reclaims() - before <= static_cast<std::uint64_t>(commits) / 2);
        return most;
    };
    // Little is live: as soon as 64 KiB wait.
    const std::uint64_t few = most_that_waits(1000, 400);
    CHECK(few > 60 << 10);
    CHECK(few < 64 << 10);
    // A lot is live: a sixteenth of it, 256 KiB at most.
    publish(producer, {2, 1}, payload_of(2, 1, 2 << 20));
    const std::uint64_t some = most_that_waits(1000, 800);
    CHECK(some > 124 << 10);
    CHECK(some < 136 << 10);
    publish(producer, {2, 1}, payload_of(2, 2, 20 << 20));
    const std::uint64_t many = most_that_waits(1000, 1500);
    CHECK(many > 252 << 10);
    CHECK(many < 256 << 10);
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
}
