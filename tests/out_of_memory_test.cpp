// SPDX-License-Identifier: Apache-2.0
// Every allocation of private memory fails once: nothing is lost, nothing leaks, the books stay
// right, and the next attempt succeeds.
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <new>
#include <optional>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/failing_allocations.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::FailAfter;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

// Blocks in use, when nothing waits for readers.
std::uint64_t used_blocks(Producer& producer) {
    producer.reclaim();
    producer.reclaim();  // the first one's own record
    const StoreStatistics s = statistics(producer);
    std::uint64_t blocks = s.control.used_blocks;
    for (const RegionStatistics& region : s.regions) {
        blocks += region.memory.used_blocks;
    }
    return blocks;
}

// Runs `work` with a failure at each of its allocations in turn; `undo` afterwards. Returns the
// number of allocations.
template <class Work, class Undo>
std::uint64_t fail_everywhere(const TempStore& store, Producer& producer, Work work, Undo undo) {
    undo();
    const std::uint64_t before = used_blocks(producer);
    for (std::uint64_t n = 0;; ++n) {
        CAPTURE(n);
        bool failed = false;
        try {
            const FailAfter fault(n);
            work();
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        REQUIRE(producer.stats().committed_bytes == store.allocated_bytes());
        undo();
        REQUIRE(used_blocks(producer) == before);
        if (!failed) {
            return n;
        }
        REQUIRE(n < 10'000);
    }
}

// Fails the first allocation of `work`, then the second, until it has no more of them;
// `after_failure` each time.
template <class Work, class After>
void until_it_succeeds(Work work, After after_failure) {
    bool failed = true;
    for (std::uint64_t n = 0; failed; ++n) {
        CAPTURE(n);
        REQUIRE(n < 10'000);
        failed = false;
        try {
            const FailAfter fault(n);
            work();
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        if (failed) {
            after_failure();
        }
    }
}

}  // namespace

TEST_CASE("out of memory in a put, a commit, a trim, and in what was trimmed") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "kept");
    publish(producer, {2, 1}, "kept");
    const auto undo = [&] {
        Batch batch = producer.batch();
        for (std::uint64_t i = 10; i < 20; ++i) {
            batch.erase({1, i});
        }
        batch.crystallize();
        producer.trim();  // so that the next one uses what has no memory behind it
    };
    const std::uint64_t allocations = fail_everywhere(
        store, producer,
        [&] {
            Batch batch = producer.batch();
            batch.put({1, 10}, payload_of(1, 10, 300'000));
            for (std::uint64_t i = 11; i < 20; ++i) {
                batch.put({1, i}, payload_of(1, i, 900 * i));
            }
            batch.crystallize();
            batch.erase({1, 10});
            batch.put({2, 1}, "kept");
            batch.crystallize();
            producer.trim();
        },
        undo);
    CHECK(allocations > 30);
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.layer_count() == 2);
    CHECK(snapshot.get({1, 1}).text() == "kept");
    CHECK(verify(snapshot).ok());
}

TEST_CASE("out of memory in the first commit of a store") {
    bool failed = true;
    for (std::uint64_t n = 0; failed; ++n) {
        CAPTURE(n);
        REQUIRE(n < 10'000);
        const TempStore store;
        Producer producer = store.create();
        failed = false;
        try {
            const FailAfter fault(n);
            publish(producer, {1, 1}, "first");
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        publish(producer, {2, 1}, "second");
        const Snapshot snapshot = store.attach().snapshot();
        CHECK(static_cast<bool>(snapshot.find({1, 1})) == !failed);
        CHECK(snapshot.get({2, 1}).text() == "second");
    }
}

TEST_CASE("out of memory while a store is created, and while it is opened") {
    const TempStore store;
    const auto entries = [&] {
        return std::distance(std::filesystem::directory_iterator(store.base()), {});
    };
    until_it_succeeds([&] { (void)Producer::create("other", store.producer_options()); },
                      [&] {
                          // Nothing, or a whole store that could not be opened any more.
                          if (entries() != 0) {
                              remove_store("other", store.base());
                          }
                          REQUIRE(entries() == 0);
                      });
    {
        Producer producer = Producer::open("other", store.producer_options());
        publish(producer, {1, 1}, "kept");
    }
    until_it_succeeds([&] { (void)Producer::open("other", store.producer_options()); }, [] {});
    Producer producer = Producer::open("other", store.producer_options());
    publish(producer, {1, 2}, "more");
    CHECK(Consumer::attach("other", store.consumer_options()).snapshot().layer_count() == 2);
}

TEST_CASE("out of memory while dimensions come and go") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "kept");
    const std::uint64_t allocations = fail_everywhere(
        store, producer,
        [&] {
            Batch batch = producer.batch();
            batch.add_dimension(5, {.name = "Five", .initial_bytes = 100'000});
            batch.put({6, 1}, payload_of(6, 1, 200'000));
            batch.crystallize();
            batch.remove_dimension(5);
            batch.crystallize();
        },
        [&] {
            Batch batch = producer.batch();
            batch.remove_dimension(5);
            batch.remove_dimension(6);
            batch.crystallize();
            producer.reclaim();
            CHECK(store.region_files() == 1);
        });
    CHECK(allocations > 20);
    CHECK(store.attach().snapshot().get({1, 1}).text() == "kept");
}

TEST_CASE("out of memory in a checkpoint: the next one goes on") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "first");
    until_it_succeeds([&] { producer.checkpoint(); },
                      [&] {
                          const Generation next = publish(producer, {1, 1}, "next");
                          REQUIRE(producer.checkpoint() == next);
                          publish(producer, {1, 1}, "to be made durable");
                      });
    CHECK(producer.durable_generation() == producer.generation());
}

TEST_CASE("out of memory at the end of a producer that makes its generations durable") {
    for (std::uint64_t n = 0; n < 20; ++n) {  // a destructor does not say how many it takes
        CAPTURE(n);
        const TempStore store("longer-than-a-short-string");
        ProducerOptions options = store.producer_options();
        options.durability = {.policy = DurabilityPolicy::background,
                              .interval = std::chrono::hours(1)};
        std::optional<Producer> producer(Producer::create(store.name(), options));
        publish(*producer, {1, 1}, "kept");
        {
            const FailAfter fault(n);
            producer.reset();
        }
        CHECK(store.attach().snapshot().get({1, 1}).text() == "kept");
    }
}

TEST_CASE("out of memory while a proto-dimension is made: none is listed") {
    const TempStore store;
    Producer producer = store.create();
    until_it_succeeds([&] { (void)producer.proto_dimension(7, "longer than a short string"); },
                      [&] { REQUIRE(producer.proto_dimensions().empty()); });
    CHECK(producer.proto_dimensions().size() == 1);
}
