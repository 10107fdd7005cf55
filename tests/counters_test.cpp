// SPDX-License-Identifier: Apache-2.0
// Every number of the statistics against a count of one's own: of operations, of blocks, of locks,
// of files; and every shared word against what is read of it.
#include <array>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/format/layout.hpp"
#include "ipc/stats_view.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;

namespace {

/// A struct of 64-bit words, the word at offset o with the value base + o.
template <class Words>
Words numbered(std::uint64_t base) {
    std::array<std::uint64_t, sizeof(Words) / 8> words{};
    for (std::size_t i = 0; i < words.size(); ++i) {
        words[i] = base + 8 * i;
    }
    Words result;
    static_assert(sizeof(words) == sizeof(result));
    std::memcpy(&result, words.data(), sizeof(result));
    return result;
}

std::uint64_t ns_of(std::chrono::system_clock::time_point time) {
    return static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count());
}

std::uint64_t used_blocks(const StoreStatistics& s) {
    std::uint64_t blocks = s.control.used_blocks;
    for (const RegionStatistics& region : s.regions) {
        blocks += region.memory.used_blocks;
    }
    return blocks;
}

std::uint64_t counted_blocks(const StoreStatistics& s) {
    return s.recovered_blocks + s.allocations - s.deallocations;
}

/// Own walk: of all layers of the newest generation.
std::map<Dimension, std::uint64_t> layers_of(const TempStore& store) {
    std::map<Dimension, std::uint64_t> counts;
    Consumer consumer = store.attach();
    const Snapshot snapshot = consumer.snapshot();
    for (const DimensionInfo& info : snapshot.dimensions()) {
        counts[info.dimension] = 0;
        for (const Layer& layer : snapshot.dimension(info.dimension)) {
            counts[info.dimension] += layer.verify() ? 1 : 0;
        }
    }
    return counts;
}

void check_contents(const TempStore& store, const StoreStatistics& s) {
    const auto counts = layers_of(store);
    std::uint64_t sum = 0;
    REQUIRE(s.dimension_list.size() == counts.size());
    for (const DimensionStatistics& dimension : s.dimension_list) {
        CHECK(dimension.layers == counts.at(dimension.dimension));
        sum += dimension.layers;
    }
    REQUIRE(s.regions.size() == counts.size());
    for (const RegionStatistics& region : s.regions) {
        CHECK(std::filesystem::file_size(store.file("region-" + std::to_string(region.serial) +
                                                    ".mmap")) == region.file_bytes);
    }
    CHECK(s.layers == sum);
    CHECK(s.dimensions == counts.size());
    CHECK(s.committed_bytes == store.allocated_bytes());
}

}  // namespace

TEST_CASE("each word of the control file's statistics is read as what it is") {
    constexpr std::uint64_t base = 1'700'000'000'000'000'000;  // also a time
    const auto words = numbered<ipc::ControlStats>(base);
    StoreStatistics s;
    ipc::read_control_stats(words, s);
    CHECK(ns_of(s.updated_at) == base);
    CHECK(s.committed_bytes == base + 16);
    CHECK(s.limbo_unscanned_bytes == base + 40);
    CHECK(s.limbo_held_bytes == base + 48);
    CHECK(s.commits == base + 56);
    CHECK(s.allocations == base + 64);
    CHECK(s.deallocations == base + 72);
    CHECK(s.allocation_failures == base + 80);
    CHECK(ns_of(s.producer_started_at) == base + 88);
    CHECK(s.memory_limit == base + 96);
    CHECK(s.warning_bytes == base + 104);
    CHECK(s.history_bytes == base + 112);
    CHECK(s.retired_file_bytes == base + 120);
    CHECK(s.reclaims == base + 128);
    CHECK(s.relocations == base + 136);
    CHECK(s.oldest_pinned_epoch == base + 144);
    CHECK(s.oldest_pin_age > std::chrono::hours(1));
    CHECK(s.sampled_peak_readers == base + 160);
    CHECK(s.recovered_blocks == base + 176);
    for (std::uint64_t pool = 0; pool < 4; ++pool) {
        CHECK(s.pool_budget_bytes[pool] == base + 184 + 8 * pool);
    }
}

TEST_CASE("each word of a memory table is read as what it is") {
    constexpr std::uint64_t base = 1'700'000'000'000'000'000;
    const MemoryStatistics m = ipc::read_memory_stats(numbered<ipc::MemoryStats>(base));
    CHECK(ns_of(m.updated_at) == base);
    CHECK(m.updated_generation == base + 8);
    CHECK(m.managed_bytes == base + 16);
    CHECK(m.committed_bytes == base + 24);
    CHECK(m.hole_bytes == base + 32);
    CHECK(m.used_blocks == base + 40);
    CHECK(m.used_bytes == base + 48);
    CHECK(m.requested_bytes == base + 56);
    CHECK(m.slab_bytes == base + 64);
    CHECK(m.runs == base + 72);
    CHECK(m.run_bytes == base + 80);
    CHECK(m.free_runs == base + 88);
    CHECK(m.free_bytes == base + 96);
    CHECK(m.largest_free_bytes == base + 104);
    for (std::size_t i = 0; i < m.pools.size(); ++i) {
        const std::uint64_t at = base + 128 + 64 * i;
        CHECK(m.pools[i].block_bytes == at);
        CHECK(m.pools[i].used_blocks == at + 8);
        CHECK(m.pools[i].used_bytes == at + 16);
        CHECK(m.pools[i].requested_bytes == at + 24);
        CHECK(m.pools[i].slab_bytes == at + 32);
        CHECK(m.pools[i].free_blocks == at + 40);
        CHECK(m.pools[i].available_blocks == at + 48);
    }
    REQUIRE(m.classes.size() == ipc::stats_classes);
    for (std::size_t i = 0; i < m.classes.size(); ++i) {
        const std::uint64_t at = base + 448 + 32 * i;
        CHECK(m.classes[i].block_bytes == at);
        CHECK(m.classes[i].used_blocks == at + 8);
        CHECK(m.classes[i].free_blocks == at + 16);
        CHECK(m.classes[i].slabs == at + 24);
    }
}

TEST_CASE("a new store's blocks are accounted for from the first moment") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    StoreStatistics s = statistics(producer);
    CHECK(s.allocations == 0);
    CHECK(counted_blocks(s) == used_blocks(s));
    producer.reclaim();
    publish(producer, {1, 1}, "x");
    producer.reclaim();
    s = statistics(producer);
    CHECK(counted_blocks(s) == used_blocks(s));
    CHECK(s.limbo_unscanned_bytes + s.limbo_held_bytes <= s.committed_bytes);
}

TEST_CASE("the counters agree with a count of what was done, over producers and readers") {
    const TempStore store(TempStore::Regions::own);
    std::mt19937_64 random(9);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    std::optional<Snapshot> held;
    std::optional<Consumer> consumer;
    ConsumerOptions without_idle_pin = store.consumer_options();  // which would go at any time
    without_idle_pin.keep_idle_pin = false;
    for (int life = 0; life < 5; ++life) {
        ProducerOptions options = store.producer_options();
        options.memory_limit = 8_MiB;
        options.retain = life == 3 ? 5 : 0;
        Producer producer = life == 0 ? Producer::create(store.name(), options)
                                      : Producer::open(store.name(), options);
        const Generation begun = producer.generation();
        std::uint64_t refused = 0;
        std::uint64_t reclaims = 0;
        for (int step = 0; step < 120; ++step) {
            {
                Batch batch = producer.batch();
                for (std::uint64_t i = 1 + below(5); i > 0; --i) {
                    const LayerId id{static_cast<Dimension>(1 + below(4)), below(60)};
                    if (below(3) == 0) {
                        batch.erase(id);
                    } else {
                        batch.put(id, payload_of(id.layer, static_cast<std::uint64_t>(step),
                                                 below(40) == 0 ? 40'000 : below(3000)));
                    }
                }
                if (below(4) == 0) {
                    batch.clear();  // its blocks never counted
                }
                if (below(40) == 0) batch.remove_dimension(static_cast<Dimension>(1 + below(4)));
                batch.crystallize();
                if (below(20) == 0) {
                    refused += code_of([&] {
                                   (void)batch.loan({1, 1}, 16_MiB);
                               }) == "limit_exceeded";
                }
            }
            if (below(15) == 0) {
                if (!consumer) consumer = Consumer::attach(store.name(), without_idle_pin);
                held = consumer->snapshot();
            }
            if (below(25) == 0) held.reset();
            if (below(5) == 0) {
                const std::uint64_t before = statistics(producer).reclaims;
                producer.reclaim();
                reclaims = statistics(producer).reclaims;
                CHECK(reclaims <= before + 1);
            }
            const StoreStatistics s = statistics(producer);
            CHECK(s.commits == s.generation - begun);
            CHECK(s.allocation_failures == refused);
            CHECK(s.limbo_unscanned_bytes + s.limbo_held_bytes <= s.committed_bytes);
            CHECK(s.readers == readers(store.name(), store.base()).size());
            CHECK(s.sampled_peak_readers >= s.readers);
            // Files of removed dimensions have blocks that nothing here tells of.
            if (store.region_files() == s.regions.size()) {
                CAPTURE(life);
                CAPTURE(step);
                CHECK(counted_blocks(s) == used_blocks(s));
            }
        }
        held.reset();
        consumer.reset();
        producer.trim();
        const StoreStatistics s = statistics(producer);
        if (life != 3) CHECK(counted_blocks(s) == used_blocks(s));
        if (life != 3) CHECK(s.limbo_unscanned_bytes + s.limbo_held_bytes == 0);
        check_contents(store, s);
    }
}

TEST_CASE("the peak of readers is that of the looks at them: it says so and no more") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    {
        std::vector<Consumer> consumers;
        std::vector<Snapshot> held;
        for (int i = 0; i < 60; ++i) {
            consumers.push_back(store.attach());
            held.push_back(consumers.back().snapshot());
        }
        // Whoever asks now sees all of them, in this moment and as the most.
        CHECK(statistics(store.name(), store.base()).readers == 60);
        CHECK(statistics(store.name(), store.base()).sampled_peak_readers == 60);
        CHECK(statistics(producer).sampled_peak_readers == 60);
    }
    CHECK(statistics(producer).readers == 0);
}

TEST_CASE("a reopened file with holes does not wait for more memory than there is") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        for (std::uint64_t i = 0; i < 40; ++i) {
            publish(producer, {1, i}, payload_of(i, 0, 100'000));
        }
        Batch batch = producer.batch();
        for (std::uint64_t i = 0; i < 39; ++i) {
            batch.erase({1, i});
        }
        batch.crystallize();
        producer.trim();  // nearly all of it becomes a hole
    }
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    Producer producer = store.open();
    const auto check = [&] {
        const StoreStatistics s = statistics(producer);
        CHECK(s.limbo_unscanned_bytes + s.limbo_held_bytes <= s.committed_bytes);
        CHECK(s.committed_bytes == store.allocated_bytes());
        CHECK(s.committed_bytes < 1_MiB);
    };
    check();
    producer.reclaim();
    check();
    // The error that names who holds memory back names no more either.
    producer.set_memory_limit(1_MiB);
    const auto error = error_of([&] { (void)producer.batch().loan({1, 1}, 2_MiB); });
    REQUIRE(error);
    const std::string& detail = error->detail();
    if (const std::size_t at = detail.find(" of them held back"); at != std::string::npos) {
        const std::size_t start = detail.rfind(' ', at - 1) + 1;
        CHECK(std::stoull(detail.substr(start, at - start)) <= error->current());
    }
}

TEST_CASE("inspect looks at a store with a damaged record without failing") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        publish(producer, {1, 1}, "x");
    }
    const auto kind_of_region = [&] {
        for (const StoreFile& file : inspect(store.name(), store.base()).files) {
            if (file.name == "region-1.mmap") return file.kind;
        }
        return StoreFile::Kind::foreign;
    };
    CHECK(kind_of_region() == StoreFile::Kind::region);
    ControlEditor editor(store.path());
    auto record = editor.record();
    record.layers ^= 1;  // and the old checksum
    editor.write(editor.record_offset(), record);
    CHECK(kind_of_region() == StoreFile::Kind::unused);
    CHECK(inspect(store.name(), store.base()).generation == 2);
}
