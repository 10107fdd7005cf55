// SPDX-License-Identifier: Apache-2.0
// The memory limit is never passed, a commit that cannot have its memory changes nothing, and the
// kernel's own count of the files agrees.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

Producer create_with_limit(const TempStore& store, std::uint64_t limit) {
    ProducerOptions options = store.producer_options();
    options.memory_limit = limit;
    return Producer::create(store.name(), options);
}

// Puts 10 kB layers from `first` on until one is refused; returns how many fitted.
std::uint64_t fill(Batch& batch, std::uint64_t first) {
    for (std::uint64_t i = first;; ++i) {
        const std::string code = code_of([&] { batch.put({1, i}, payload_of(i, 0, 10'000)); });
        if (code != "no error") {
            CHECK(code == "limit_exceeded");
            return i - first;
        }
    }
}

}  // namespace

TEST_CASE("a put beyond the limit is refused with the numbers, and the batch stays as it was") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_with_limit(store, 1_MiB);
    Batch batch = producer.batch();
    const std::uint64_t count = fill(batch, 0);
    CHECK(count > 50);  // at least half of the limit is payload
    CHECK(batch.size() == count);
    const auto error = error_of([&] { batch.put({1, count}, payload_of(count, 0, 10'000)); });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->limit() == 1_MiB);
    CHECK(error->needed() >= 10'000);
    CHECK(error->current() <= 1_MiB);
    CHECK_FALSE(error->path().empty());
    CHECK_FALSE(error->hint().empty());
    CHECK(producer.stats().allocation_failures >= 2);
    batch.crystallize();
    CHECK(store.attach().snapshot().layer_count() == count);
    CHECK(producer.stats().committed_bytes <= 1_MiB);
    CHECK(store.allocated_bytes() <= 1_MiB);
}

TEST_CASE("a put that is refused does not add its dimension") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_with_limit(store, 1_MiB);
    publish(producer, {1, 1}, "x");
    const std::uint64_t before = producer.stats().committed_bytes;
    Batch batch = producer.batch();
    batch.put({1, 2}, "y");
    CHECK(code_of([&] { batch.put({2, 1}, payload_of(2, 1, 2 << 20)); }) == "limit_exceeded");
    CHECK(batch.size() == 1);
    batch.crystallize();
    CHECK_FALSE(store.attach().snapshot().has_dimension(2));
    CHECK(store.region_files() == 1);
    CHECK(producer.stats().committed_bytes <= before);
    // Nor does it undo a removal.
    batch.remove_dimension(1);
    CHECK(code_of([&] { batch.put({1, 1}, payload_of(2, 1, 2 << 20)); }) == "limit_exceeded");
    batch.crystallize();
    CHECK_FALSE(store.attach().snapshot().has_dimension(1));
}

TEST_CASE("a layer that can never fit its region is told apart from a full store") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_with_limit(store, 256_MiB);
    Batch batch = producer.batch();
    const auto error = error_of([&] { (void)batch.loan({1, 1}, TempStore::region_max_bytes); });
    REQUIRE(error);
    CHECK(error->code() == Errc::layer_too_large);
    CHECK(error->limit() == TempStore::region_max_bytes);
    CHECK(error->needed() >= TempStore::region_max_bytes);
    CHECK(code_of([&] { (void)batch.loan({1, 1}, SIZE_MAX); }) == "layer_too_large");
    CHECK(code_of([&] {
              (void)batch.loan({1, 1}, SIZE_MAX - 64, {.alignment = 4096});
          }) == "layer_too_large");
    batch.put({1, 1}, "x");  // the largest that fits: what is left of the region
    (void)batch.loan({1, 2}, TempStore::region_max_bytes - 1_MiB);
    CHECK(code_of([&] {
              (void)batch.loan({1, 3}, 2_MiB);
          }) == "limit_exceeded");  // the region is full
    CHECK(batch.size() == 2);
    CHECK(batch.crystallize() == 2);
}

TEST_CASE("crystallize is all or nothing at the limit, and succeeds when repeated with more room") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_with_limit(store, 1_MiB);
    Consumer consumer = store.attach();
    publish(producer, {1, 0}, "old");
    // Keys far apart: their index nodes are allocated by crystallize itself, and take more than the
    // payloads' own slack.
    Batch batch = producer.batch();
    batch.put({1, 0}, "new");
    std::uint64_t count = 0;
    while (code_of([&] {
               batch.put({1, (count + 1) * 0x9E3779B97F4A7C15ULL}, "");
           }) == "no error") {
        ++count;
    }
    REQUIRE(count > 1000);
    const ProducerStats before = producer.stats();
    for (int attempt = 0; attempt < 3; ++attempt) {
        const auto error = error_of([&] { batch.crystallize(); });
        REQUIRE(error);
        CHECK(error->code() == Errc::limit_exceeded);
        CHECK(batch.size() == count + 1);
    }
    const ProducerStats after = producer.stats();
    CHECK(after.allocation_failures == before.allocation_failures + 3);
    CHECK(after.generation == before.generation);
    CHECK(after.live_bytes == before.live_bytes);
    CHECK(after.committed_bytes <= 1_MiB);
    CHECK(store.allocated_bytes() <= 1_MiB);
    CHECK(consumer.snapshot().get({1, 0}).text() == "old");
    CHECK(consumer.snapshot().layer_count() == 1);
    producer.set_memory_limit(4_MiB);
    CHECK(batch.crystallize() == 3);
    CHECK(consumer.snapshot().layer_count() == count + 1);
    CHECK(consumer.snapshot().get({1, 0}).text() == "new");
}

TEST_CASE("what put accepts up to the limit, crystallize publishes") {
    for (const std::uint64_t limit : {512_KiB, 1_MiB, 2_MiB, 8_MiB}) {
        for (const std::size_t size : {1'000U, 3'000U, 5'000U, 8'000U, 10'000U, 50'000U}) {
            CAPTURE(limit);
            CAPTURE(size);
            const TempStore store(TempStore::Regions::own);
            Producer producer = create_with_limit(store, limit);
            Batch batch = producer.batch();
            std::uint64_t count = 0;
            while (code_of([&] { (void)batch.loan({1, count}, size); }) == "no error") {
                ++count;
            }
            CHECK(count * size > limit / 3);
            CHECK(code_of([&] { batch.crystallize(); }) == "no error");
            CHECK(store.attach().snapshot().layer_count() == count);
            CHECK(store.allocated_bytes() <= limit);
        }
    }
}

TEST_CASE("a full store can be emptied: erasing works where putting does not") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_with_limit(store, 1_MiB);
    Batch batch = producer.batch();
    std::uint64_t count = 0;
    while (const std::uint64_t more = fill(batch, count)) {
        count += more;
        batch.crystallize();
    }
    CHECK(count > 50);
    for (std::uint64_t i = 0; i < count; ++i) {
        batch.erase({1, i});
        batch.crystallize();
    }
    CHECK(producer.stats().layers == 0);
    CHECK(fill(batch, 0) >= count - 2);
}

TEST_CASE("empty dimensions do not use up what is kept for erasing") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    Producer producer = Producer::create(store.name(), options);
    std::uint64_t layers = 0;
    for (std::string code = "no error"; code == "no error"; ++layers) {
        code = code_of([&] { publish(producer, {1, layers << 30}, payload_of(1, layers, 1000)); });
    }
    --layers;
    Dimension dimension = 2;
    while (code_of([&] { producer.add_dimension(dimension); }) == "no error") {
        REQUIRE(++dimension < 20'000);
    }
    CHECK(producer.stats().committed_bytes <= 1_MiB - 32_KiB);
    for (std::uint64_t layer = 0; layer < layers; ++layer) {
        Batch batch = producer.batch();
        batch.erase({1, layer << 30});
        batch.crystallize();
    }
    CHECK(producer.stats().layers == 0);
}

TEST_CASE("a snapshot that is held too long makes the commit fail with its pid, not the reader") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_with_limit(store, 1_MiB);
    publish(producer, {1, 1}, payload_of(1, 0, 400'000));
    Consumer consumer = store.attach();
    Snapshot held = consumer.snapshot();
    REQUIRE(publish(producer, {1, 1}, payload_of(1, 1, 200'000)) == 3);
    const auto error = error_of([&] { publish(producer, {1, 1}, payload_of(1, 2, 400'000)); });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->detail().find("process " + std::to_string(::getpid())) != std::string::npos);
    CHECK(held.get({1, 1}).text() == payload_of(1, 0, 400'000));
    CHECK(producer.generation() == 3);
    held = Snapshot();
    CHECK(publish(producer, {1, 1}, payload_of(1, 2, 400'000)) == 4);
}

TEST_CASE("usage never passes the limit while threads put, commit and abandon") {
    const TempStore store(TempStore::Regions::own);
    constexpr std::uint64_t limit = 2_MiB;
    Producer producer = create_with_limit(store, limit);
    std::vector<std::thread> threads;
    std::atomic<int> running{3};
    for (std::uint64_t t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            for (std::uint64_t i = 0; i < 150; ++i) {
                try {
                    Batch batch = producer.batch();
                    for (std::uint64_t k = 0; k < 20; ++k) {
                        batch.put({static_cast<Dimension>(t % 2), (t * 1000 + i * 7 + k) % 300},
                                  payload_of(i, k, (i * 131 + k * 977) % 20'000));
                    }
                    if (i % 5 != 0) batch.crystallize();
                } catch (const Error& error) {
                    if (error.code() != Errc::limit_exceeded) throw;
                }
            }
            running.fetch_sub(1);
        });
    }
    std::uint64_t highest = 0;
    while (running.load() > 0) {
        highest = std::max({highest, store.allocated_bytes(), producer.stats().committed_bytes});
        std::this_thread::yield();
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(highest <= limit);
    CHECK(highest > limit / 2);
    CHECK(producer.stats().allocation_failures > 0);
}

TEST_CASE("the limit can be raised and lowered, but not below what is in use") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_with_limit(store, 8_MiB);
    publish(producer, {1, 1}, payload_of(1, 1, 3'000'000));
    producer.set_memory_limit(16_MiB);
    CHECK(producer.memory_limit() == 16_MiB);
    CHECK(producer.stats().memory_limit == 16_MiB);
    const auto error = error_of([&] { producer.set_memory_limit(2_MiB); });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->needed() > 3'000'000);
    CHECK(error->limit() == 2_MiB);
    CHECK(producer.memory_limit() == 16_MiB);
    publish(producer, {1, 1}, "small");
    producer.set_memory_limit(1_MiB);  // reclaims and trims by itself
    CHECK(producer.stats().committed_bytes <= 1_MiB);
    CHECK(store.allocated_bytes() <= 1_MiB);
    CHECK(store.attach().snapshot().get({1, 1}).text() == "small");
}

TEST_CASE("trim gives memory back to the system, and what is trimmed can be used again") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "kept");
    producer.trim();
    const std::uint64_t before = store.allocated_bytes();
    for (int round = 0; round < 3; ++round) {
        publish(producer, {1, 2}, payload_of(1, 2, 5'000'000));
        CHECK(store.allocated_bytes() >= before + 5'000'000);
        Batch batch = producer.batch();
        batch.erase({1, 2});
        batch.crystallize();
        CHECK(producer.trim() >= 5'000'000);
        CHECK(store.allocated_bytes() <= before + 8192);
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
        CHECK(producer.stats().limbo_bytes == 0);
    }
    CHECK(store.attach().snapshot().get({1, 1}).text() == "kept");
}

TEST_CASE(
    "a restarted producer counts what the files really hold, trimmed and unwritten pages too") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        batch.put({1, 1}, payload_of(1, 1, 300'000));
        (void)batch.loan({1, 2}, 3'000'000);  // published without a byte of it written
        batch.put({1, 3}, payload_of(1, 3, 2'000'000));
        batch.put({1, 4}, "last");
        batch.crystallize();
        batch.erase({1, 1});
        batch.crystallize();
        producer.trim();  // a hole in the middle; below, memory at the end that nobody writes to
        publish(producer, {1, 5}, payload_of(1, 5, 1'200'000));
        publish(producer, {2, 1}, "x");
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    }
    for (int restart = 0; restart < 3; ++restart) {
        Producer producer = store.open();
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
        publish(producer, {1, 1}, payload_of(1, 1, 200'000));
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
        CHECK(store.attach().snapshot().get({1, 2}).text().find_first_not_of('\0') ==
              std::string_view::npos);
        Batch batch = producer.batch();
        batch.erase({1, restart == 2 ? 2U : 1U});
        batch.crystallize();
        producer.trim();
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    }
    CHECK(store.allocated_bytes() < 3'600'000);  // 32 KiB in each of three files are kept back
}

TEST_CASE("a store is not opened with a limit below what is in use, and says what it needs") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        Batch batch = producer.batch();
        batch.put({1, 1}, payload_of(1, 1, 3'000'000));
        batch.put({1, 2}, payload_of(1, 2, 3'000'000));
        batch.crystallize();
        batch.erase({1, 2});
        batch.crystallize();
    }
    ProducerOptions options = store.producer_options();
    options.memory_limit = 2_MiB;
    const auto error = error_of([&] { (void)Producer::open(store.name(), options); });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->limit() == 2_MiB);
    CHECK(error->needed() > 3'000'000);
    CHECK(error->needed() < 3'500'000);  // what could go has gone
    CHECK(error->current() == error->needed());
    CHECK_FALSE(error->hint().empty());
    CHECK(store.attach().snapshot().get({1, 1}).text() == payload_of(1, 1, 3'000'000));
    options.memory_limit = error->needed();
    Producer producer = Producer::open(store.name(), options);
    CHECK(producer.stats().committed_bytes <= options.memory_limit);
    CHECK(store.allocated_bytes() <= options.memory_limit);
    CHECK(code_of([&] {
              publish(producer, {1, 3}, payload_of(1, 3, 100'000));
          }) == "limit_exceeded");
}

TEST_CASE("opening waits for nobody, but names the readers that keep memory from fitting") {
    const TempStore store(TempStore::Regions::own);
    std::optional<Producer> producer(store.create());
    publish(*producer, {1, 1}, payload_of(1, 1, 3'000'000));
    Consumer consumer = store.attach();
    std::optional<Snapshot> held(consumer.snapshot());
    publish(*producer, {1, 1}, "small");
    producer.reset();
    ProducerOptions options = store.producer_options();
    options.memory_limit = 2_MiB;
    const auto error = error_of([&] { (void)Producer::open(store.name(), options); });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->detail().find("process " + std::to_string(::getpid())) != std::string::npos);
    CHECK(held->get({1, 1}).text() == payload_of(1, 1, 3'000'000));
    held.reset();
    CHECK(Producer::open(store.name(), options).stats().committed_bytes < 1_MiB);
}

TEST_CASE("the smallest limit that create accepts holds a dimension with a layer") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = create_with_limit(store, 128_KiB);
    CHECK(publish(producer, {1, 1}, "x") == 2);
    for (std::uint64_t i = 0; i < 300; ++i) {
        publish(producer, {1, i % 5}, payload_of(i, 0, 500));
    }
    CHECK(store.allocated_bytes() <= 128_KiB);
}
