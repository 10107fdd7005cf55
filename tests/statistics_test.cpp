// SPDX-License-Identifier: Apache-2.0
// Statistics: what a producer tells, what any other process can read of it, and the state dump.
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <sys/stat.h>
#include <thread>

#include <cereal/archives/json.hpp>
#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace std::chrono_literals;
using strata::test::code_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

TEST_CASE("statistics: the producer's counts, and every process reads the same") {
    const TempStore store(TempStore::Regions::own);
    const auto begun = std::chrono::system_clock::now() - 1s;
    Producer producer = store.create();
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < 100; ++i) {
        batch.put({1, i}, payload_of(i, 0, 100));
    }
    batch.put({2, 1}, payload_of(1, 0, 10'000));   // 16K pool
    batch.put({2, 2}, payload_of(1, 0, 50'000));   // 64K
    batch.put({2, 3}, payload_of(1, 0, 200'000));  // 256K
    batch.put({2, 4}, payload_of(1, 0, 400'000));  // larger
    batch.crystallize();

    const StoreStatistics own = statistics(producer);
    Consumer consumer = store.attach();
    for (const StoreStatistics& s :
         {own, statistics(consumer), statistics(store.name(), store.base())}) {
        CHECK(s.name == store.name());
        CHECK(s.generation == 2);
        CHECK(s.layers == 104);
        CHECK(s.dimensions == 2);
        CHECK(s.commits == 1);
        CHECK(s.producer_pid == ::getpid());
        CHECK(s.producer_started_at > begun);
        CHECK(s.updated_at >= s.producer_started_at);
        CHECK(s.memory_limit == 64_MiB);
        CHECK(s.warning_bytes == 48_MiB);
        CHECK_FALSE(s.above_warning());
        CHECK(s.committed_bytes == producer.stats().committed_bytes);
        CHECK(s.committed_bytes == store.allocated_bytes());
        CHECK(s.live_bytes == producer.stats().live_bytes);
        CHECK(s.allocations == producer.stats().allocations);
        CHECK(s.utilisation() == doctest::Approx(double(s.committed_bytes) / double(64_MiB)));
        CHECK(s.fragmentation_ratio() > 0);
        CHECK(s.fragmentation_ratio() < 0.5);
        REQUIRE(s.regions.size() == 2);
        CHECK(s.regions[0].owner == 1U);
        CHECK(s.regions[0].max_bytes == TempStore::region_max_bytes);
        REQUIRE(s.dimension_list.size() == 2);
        CHECK(s.dimension_list[0].dimension == 1);
        CHECK(s.dimension_list[0].name == "D1");
        CHECK(s.dimension_list[0].layers == 100);
        CHECK(s.dimension_list[0].serial == s.regions[0].serial);
        CHECK(s.dimension_list[0].generation == 2);

        const MemoryStatistics& one = s.regions[0].memory;
        CHECK(one.updated_generation == 2);
        CHECK(one.updated_at >= s.producer_started_at);
        CHECK(one.updated_at <= s.updated_at);
        CHECK(one.pools[0].block_bytes == 4096);
        CHECK(one.pools[0].used_blocks == one.used_blocks);
        CHECK(one.used_blocks >= 100);
        CHECK(one.pools[0].requested_bytes == one.requested_bytes);
        CHECK(one.internal_fragmentation() > 0);
        CHECK(one.internal_fragmentation() <= 0.25);
        CHECK(one.used_bytes <= one.slab_bytes);
        CHECK(one.slab_bytes + one.run_bytes + one.free_bytes == one.managed_bytes);
        CHECK(one.pools[0].available_blocks == one.free_bytes / 4096);
        CHECK(one.classes.size() == 34);

        const auto& pools = s.regions[1].memory.pools;
        CHECK(pools[1].block_bytes == 16_KiB);
        CHECK(pools[2].block_bytes == 64_KiB);
        CHECK(pools[3].block_bytes == 256_KiB);
        CHECK(pools[4].block_bytes == 0);
        for (std::size_t i = 1; i < pools.size(); ++i) {
            CHECK(pools[i].used_blocks == 1);
            CHECK(pools[i].used_bytes >= pools[i].requested_bytes);
            CHECK(pools[i].internal_fragmentation() <= 0.25);
        }
        CHECK(pools[4].requested_bytes == 400'040);
        CHECK(s.regions[1].memory.runs == 4);
        CHECK(s.control.used_blocks >= 4);
    }
}

TEST_CASE("statistics: readable when the producer is gone, and of a store that was never opened") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish(producer, {7, 1}, "x");
        (void)statistics(producer);
    }
    const StoreStatistics s = statistics(store.name(), store.base());
    CHECK(s.producer_pid == 0);
    CHECK(s.commits == 1);
    CHECK(s.regions.at(0).memory.used_blocks > 0);
    CHECK(code_of([&] { (void)statistics("nothing", store.base()); }) == "store_not_found");
}

TEST_CASE("statistics: readers, pins and what they hold back") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, payload_of(1, 0, 200'000));
    Consumer first = store.attach();
    std::optional<Snapshot> old = first.snapshot();
    publish(producer, {1, 1}, payload_of(1, 1, 200'000));
    producer.reclaim();
    std::this_thread::sleep_for(2ms);
    StoreStatistics s = statistics(producer);
    CHECK(s.readers == 1);
    CHECK(s.sampled_peak_readers == 1);
    CHECK(s.limbo_held_bytes >= 200'000);
    REQUIRE(s.oldest_pinned_epoch);
    CHECK(*s.oldest_pinned_epoch < s.epoch);
    CHECK(s.oldest_pin_age >= 2ms);
    CHECK(s.reclaims >= 1);
    // Another process's view of it: the pin of the look itself does not count.
    s = statistics(store.name(), store.base());
    CHECK(s.readers == 1);
    CHECK(s.limbo_held_bytes >= 200'000);
    // Without limbo there is nothing to reclaim, and still the pin is not told of for ever.
    old.reset();
    producer.reclaim();
    s = statistics(producer);
    CHECK(s.limbo_held_bytes == 0);
    CHECK_FALSE(s.oldest_pinned_epoch);
    CHECK(s.sampled_peak_readers == 1);
}

TEST_CASE("statistics: a removed store is told from an empty one") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "x");
    }
    Consumer consumer = store.attach();
    remove_store(store.name(), store.base());
    CHECK(code_of([&] { (void)statistics(consumer); }) == "store_replaced");
}

TEST_CASE("the memory warning comes once per crossing and may raise the limit") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    options.warning_threshold = 0.5;
    std::vector<MemoryWarning> warnings;
    options.on_memory_warning = [&](const MemoryWarning& warning) { warnings.push_back(warning); };
    Producer producer = Producer::create(store.name(), options);
    for (std::uint64_t i = 0; i < 5; ++i) {
        publish(producer, {1, i}, payload_of(i, 0, 100'000));
    }
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].memory_limit == 1_MiB);
    CHECK(warnings[0].threshold_bytes == 512_KiB);
    CHECK(warnings[0].committed_bytes >= 512_KiB);
    CHECK(statistics(producer).above_warning());
    publish(producer, {1, 5}, "more");
    CHECK(warnings.size() == 1);

    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < 5; ++i) {
        batch.erase({1, i});
    }
    batch.crystallize();
    producer.trim();
    CHECK_FALSE(statistics(producer).above_warning());
    for (std::uint64_t i = 0; i < 5; ++i) {
        publish(producer, {1, i}, payload_of(i, 1, 100'000));
    }
    CHECK(warnings.size() == 2);
}

TEST_CASE("a pool beyond its soft budget is reported once per crossing, and goes on") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 28_MiB;
    std::vector<PoolWarning> warnings;
    options.on_pool_warning = [&](const PoolWarning& warning) { warnings.push_back(warning); };
    Producer producer = Producer::create(store.name(), options);
    // By default a seventh, of which the pool up to 256 KiB has: 4 MiB of 28.
    const auto put = [&](std::uint64_t first, std::uint64_t last) {
        for (std::uint64_t i = first; i < last; ++i) {
            publish(producer, {1, i}, payload_of(i, 0, 200'000));
        }
    };
    put(0, 20);
    StoreStatistics s = statistics(producer);
    CHECK(s.pool_budget_bytes == std::array<std::uint64_t, 4>{3'355'443, 13'421'773, 8_MiB, 4_MiB});
    CHECK(s.pool_used_bytes(3) == 20 * 49 * 4096);
    CHECK_FALSE(s.pool_over_budget(3));
    CHECK(warnings.empty());
    put(20, 24);
    s = statistics(producer);
    CHECK(s.pool_over_budget(3));
    for (std::size_t pool = 0; pool < 3; ++pool) {
        CHECK_FALSE(s.pool_over_budget(pool));
    }
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].block_bytes == 256_KiB);
    CHECK(warnings[0].budget_bytes == 4_MiB);
    CHECK(warnings[0].used_bytes > 4_MiB);
    CHECK(warnings[0].memory_limit == 28_MiB);
    CHECK(summary(s).find("blocks of up to 256.0 KiB take") != std::string::npos);
    CHECK(statistics(store.name(), store.base()).pool_over_budget(3));  // a consumer sees it

    put(24, 28);
    (void)statistics(producer);
    CHECK(warnings.size() == 1);
    producer.set_memory_limit(56_MiB);  // its budget follows
    CHECK_FALSE(statistics(producer).pool_over_budget(3));
    producer.set_memory_limit(28_MiB);
    CHECK(warnings.size() == 2);
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < 28; ++i) {
        batch.erase({1, i});
    }
    batch.crystallize();
    producer.reclaim();
    CHECK_FALSE(statistics(producer).pool_over_budget(3));
    put(0, 28);
    (void)statistics(producer);
    CHECK(warnings.size() == 3);
}

TEST_CASE("a pool without a budget is never beyond it") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.pool_shares = {0, 1, 1, 1};
    int warnings = 0;
    options.on_pool_warning = [&](const PoolWarning&) { ++warnings; };
    Producer producer = Producer::create(store.name(), options);
    publish(producer, {1, 1}, "x");
    CHECK_FALSE(statistics(producer).pool_over_budget(0));
    CHECK_FALSE(statistics(producer).pool_over_budget(4));  // there is no such budget
    CHECK(warnings == 0);
}

TEST_CASE("a warning's callback may call the producer") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    Producer* self = nullptr;
    int calls = 0;
    options.on_memory_warning = [&](const MemoryWarning& warning) {
        ++calls;
        self->set_memory_limit(warning.memory_limit * 2);
    };
    Producer producer = Producer::create(store.name(), options);
    self = &producer;
    for (std::uint64_t i = 0; i < 100; ++i) {
        publish(producer, {1, i}, payload_of(i, 0, 100'000));  // 10 MB in the end
    }
    CHECK(calls >= 3);
    CHECK(producer.memory_limit() >= 10'000'000);
}

TEST_CASE("options out of range are refused") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.warning_threshold = 1.5;
    CHECK(code_of([&] { (void)Producer::create(store.name(), options); }) == "invalid_argument");
}

TEST_CASE("statistics are read by threads while the producer commits") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 0}, "x");
    std::atomic<bool> stop{false};
    std::thread reader([&] {
        Consumer consumer = store.attach();
        std::uint64_t commits = 0;
        while (!stop.load()) {
            const StoreStatistics s = statistics(consumer);
            if (s.commits < commits || s.committed_bytes > s.memory_limit) {
                FAIL_CHECK("counters went back");
                break;
            }
            commits = s.commits;
        }
    });
    const std::size_t rounds = 2'000;
    for (std::size_t i = 0; i < rounds; ++i) {
        publish(producer, {static_cast<Dimension>(1 + i % 3), i % 50}, payload_of(i, 0, 500));
    }
    stop.store(true);
    reader.join();
    CHECK(statistics(producer).commits == rounds + 1);
}

namespace {

// A number or text of the dump, by cereal: the JSON is read by the library's own counterpart.
template <class T>
T value(cereal::JSONInputArchive& archive, const char* name) {
    T result{};
    archive(cereal::make_nvp(name, result));
    return result;
}

}  // namespace

TEST_CASE("the dump is JSON that says the same, and appears at once") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    Batch batch = producer.batch();
    batch.add_dimension(9, "quo\"ted \\ name\n");
    batch.put({1, 1}, payload_of(1, 0, 50'000));
    batch.crystallize();
    const StoreStatistics s = statistics(producer);
    const std::filesystem::path file = store.base() / "dump.json";
    dump_json(s, file);
    struct stat status {};
    REQUIRE(::stat(file.c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0644);
    CHECK(std::distance(std::filesystem::directory_iterator(store.base()), {}) == 2);

    std::ifstream in(file);
    cereal::JSONInputArchive archive(in);
    CHECK(value<std::string>(archive, "name") == s.name);
    CHECK(value<std::uint64_t>(archive, "generation") == s.generation);
    CHECK(value<std::uint64_t>(archive, "memory_limit") == s.memory_limit);
    CHECK(value<double>(archive, "utilisation") == doctest::Approx(s.utilisation()));
    CHECK(value<bool>(archive, "above_warning") == s.above_warning());
    CHECK(value<std::string>(archive, "updated_at").ends_with("Z"));
    archive.setNextName("regions");
    archive.startNode();
    cereal::size_type regions = 0;
    archive.loadSize(regions);
    REQUIRE(regions == 2);
    for (const RegionStatistics& region : s.regions) {
        archive.startNode();
        CHECK(value<std::uint64_t>(archive, "serial") == region.serial);
        CHECK(value<std::uint32_t>(archive, "dimension") == region.owner);
        archive.setNextName("memory");
        archive.startNode();
        CHECK(value<std::uint64_t>(archive, "used_bytes") == region.memory.used_bytes);
        archive.setNextName("pools");
        archive.startNode();
        cereal::size_type pools = 0;
        archive.loadSize(pools);
        CHECK(pools == 5);
        for (const PoolStatistics& pool : region.memory.pools) {
            archive.startNode();
            CHECK(value<std::uint64_t>(archive, "block_bytes") == pool.block_bytes);
            CHECK(value<std::uint64_t>(archive, "used_blocks") == pool.used_blocks);
            archive.finishNode();
        }
        archive.finishNode();
        archive.finishNode();
        archive.finishNode();
    }

    CHECK(code_of([&] { dump_json(s, store.base() / "no" / "such" / "dump.json"); }) != "no error");
    const std::string text = summary(s);
    CHECK(text.starts_with("Memory State Dump @ 20"));
    CHECK(text.find("Z\nstore: generation 2, 1 layers in 2 dimensions") != std::string::npos);
    CHECK(text.find("\npools: 4K ") != std::string::npos);
    CHECK(text.find("D1") != std::string::npos);
}
