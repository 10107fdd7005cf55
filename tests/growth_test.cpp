// SPDX-License-Identifier: Apache-2.0
// How a file grows: by an eighth of itself, from 64 to 128 KiB at a time; at its maximum and at
// the memory limit by what is left, and what is refused there names the right number.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/format/layout.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::sanitized;
using strata::test::TempStore;

namespace {

std::uint64_t region_bytes(const TempStore& store) {
    return std::filesystem::file_size(store.file("region-1.mmap"));
}

std::uint64_t step_from(std::uint64_t bytes) {
    return ipc::round_up(std::clamp<std::uint64_t>(bytes / 8, 64_KiB, 128_KiB), ipc::page_bytes);
}

}  // namespace

TEST_CASE("a file grows by an eighth of itself, from 64 to 128 KiB") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    batch.put({1, 0}, "first");
    std::uint64_t bytes = region_bytes(store);
    CHECK(bytes == 64_KiB);
    std::vector<std::uint64_t> wrong;
    int steps = 0;
    for (std::uint64_t layer = 1; bytes < 3_MiB; ++layer) {
        batch.put({1, layer}, payload_of(1, layer, 3000));
        const std::uint64_t now = region_bytes(store);
        if (now != bytes && now != bytes + step_from(bytes)) {
            wrong.push_back(bytes);
        }
        steps += now != bytes ? 1 : 0;
        bytes = now;
    }
    CHECK(wrong.empty());
    CHECK(steps > 20);
    batch.crystallize();
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
}

TEST_CASE("a file grows by more than a step only as far as one layer needs it") {
    if (sanitized) {
        return;  // nothing but a lot of memory
    }
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.memory_limit = 512_MiB;
    options.region_max_bytes = 512_MiB;
    Producer producer = Producer::create(store.name(), options);
    Batch batch = producer.batch();
    (void)batch.loan({1, 1}, 160_MiB);
    const std::uint64_t large = region_bytes(store);
    CHECK(large > 160_MiB);
    CHECK(large < 161_MiB);
    (void)batch.loan({1, 2}, 1_MiB);
    CHECK(region_bytes(store) >= large + 1_MiB);
    CHECK(region_bytes(store) <= large + 1_MiB + 2 * ipc::page_bytes);
    batch.clear();
}

TEST_CASE("at its maximum a file grows by what is left, then says that the region is full") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    producer.add_dimension(1, {.max_bytes = 1_MiB});
    Batch batch = producer.batch();
    const auto refused = error_of([&] {
        for (std::uint64_t layer = 0;; ++layer) {
            batch.put({1, layer}, payload_of(1, layer, 10'000));
        }
    });
    CHECK(region_bytes(store) == 1_MiB);
    REQUIRE(refused);
    CHECK(refused->code() == Errc::limit_exceeded);
    CHECK(refused->limit() == 1_MiB);
    CHECK(refused->current() == 1_MiB);
    CHECK(refused->needed() >= 10'000);
    CHECK(refused->path() == store.file("region-1.mmap"));
    CHECK(batch.size() >= 80);
    const auto never = error_of([&] { batch.put({1, 1'000}, payload_of(1, 1, 1_MiB)); });
    REQUIRE(never);
    CHECK(never->code() == Errc::layer_too_large);
    batch.put({2, 1}, "another dimension has room");
    batch.clear();
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
}

TEST_CASE("short of the limit a file grows by no more than is needed") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, payload_of(1, 1, 1'200'000));
    const std::uint64_t bytes = region_bytes(store);
    const std::uint64_t step = step_from(bytes);
    // Room for half a step beside the sixteenth that is kept.
    const std::uint64_t limit = (producer.stats().committed_bytes + step / 2) * 16 / 15;
    producer.set_memory_limit(limit);
    Batch batch = producer.batch();
    while (region_bytes(store) == bytes) {
        batch.put({1, 2 + batch.size()}, payload_of(1, 2, 20'000));
    }
    CHECK(region_bytes(store) - bytes <= 20'000 + 2 * ipc::page_bytes);
    const auto refused = error_of([&] { batch.put({1, 1'000}, payload_of(1, 3, step)); });
    REQUIRE(refused);
    CHECK(refused->code() == Errc::limit_exceeded);
    CHECK(refused->limit() == limit);
    CHECK(refused->needed() >= step);
    CHECK(refused->current() == producer.stats().committed_bytes);
    batch.crystallize();
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
}

TEST_CASE("a block over several holes gets memory for all of them, or for none") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    producer.add_dimension(1, {.max_bytes = 1_MiB});
    const auto layer_bytes = [](std::uint64_t pages) { return pages * ipc::page_bytes - 64; };
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < 5; ++layer) {  // 40 pages, 3, 40, 3, 40
        batch.put({1, layer}, payload_of(1, layer, layer_bytes(layer % 2 == 0 ? 40 : 3)));
    }
    while (!error_of([&] { batch.put({1, 100 + batch.size()}, std::string(20'000, 'x')); })) {
    }
    batch.erase({1, 99 + batch.size()});  // room for index nodes beside what is kept for erasing
    batch.crystallize();
    for (const std::uint64_t layer : std::initializer_list<std::uint64_t>{0, 2, 4}) {
        batch.erase({1, layer});
    }
    batch.crystallize();
    CHECK(producer.trim() >= 120 * ipc::page_bytes);
    for (const std::uint64_t layer : std::initializer_list<std::uint64_t>{1, 3}) {
        batch.erase({1, layer});
    }
    batch.crystallize();
    producer.reclaim();
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());

    // Room for the first hole and the second, not for the third.
    const std::uint64_t used = producer.stats().committed_bytes;
    const std::uint64_t limit = (used + 100 * ipc::page_bytes) * 16 / 15;
    producer.set_memory_limit(limit);
    const std::string text = payload_of(1, 9, layer_bytes(126));
    for (int attempt = 0; attempt < 3; ++attempt) {
        const auto refused = error_of([&] { batch.put({1, 9}, text); });
        REQUIRE(refused);
        CHECK(refused->code() == Errc::limit_exceeded);
        CHECK(refused->limit() == limit);  // the store's, not the region's
        CHECK(refused->errno_value() == 0);
        CHECK(producer.stats().committed_bytes == store.allocated_bytes());
        CHECK(producer.stats().committed_bytes <= used + 100 * ipc::page_bytes);
    }
    producer.set_memory_limit(64_MiB);
    batch.put({1, 9}, text);
    batch.crystallize();
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    CHECK(store.attach().snapshot().get({1, 9}).text() == text);
}
