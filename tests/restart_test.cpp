// SPDX-License-Identifier: Apache-2.0
// A producer that takes a store over beside readers: what they can reach stays, all else is free.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/lock_table.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::ControlEditor;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

constexpr std::uint64_t layers = 30;
constexpr std::size_t bytes = 3000;

void fill(Producer& producer, std::uint64_t version, Dimension dimension = 1) {
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({dimension, i}, payload_of(i, version, bytes));
    }
    batch.crystallize();
}

void expect(const Snapshot& snapshot, std::uint64_t version, Dimension dimension = 1) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        const Layer layer = snapshot.get({dimension, i});
        REQUIRE(layer.text() == payload_of(i, version, bytes));
        REQUIRE(layer.verify());
    }
}

/// Enough commits to use every free block several times.
void churn(const TempStore& store, std::uint64_t version) {
    Producer producer = store.open();
    for (std::uint64_t i = 0; i < 20; ++i) {
        fill(producer, version + i);
        producer.reclaim();
    }
}

ConsumerOptions without_idle_pin(const TempStore& store) {
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    return options;
}

}  // namespace

TEST_CASE("a reader that has an earlier generation of an epoch keeps it over restarts") {
    // All generations of one epoch: only the lock's epoch tells of the reader.
    const TempStore store(TempStore::Regions::own);
    std::optional<Producer> producer = store.create();
    fill(*producer, 1);
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    std::vector<Snapshot> held;
    for (std::uint64_t version = 2; version < 6; ++version) {
        held.push_back(consumer.snapshot());
        publish(*producer, {1, version}, "a change that leaves the epoch as it is");
    }
    producer.reset();
    // The oldest alone.
    const Snapshot oldest = held.front();
    held.clear();
    for (int restart = 0; restart < 3; ++restart) {
        churn(store, 100);
        expect(oldest, 1);
        CHECK(verify(oldest).ok());
    }
}

TEST_CASE("what two readers reach stays until both are gone") {
    const TempStore store(TempStore::Regions::own);
    std::optional<Producer> producer = store.create();
    fill(*producer, 1);
    Consumer first_consumer = Consumer::attach(store.name(), without_idle_pin(store));
    Consumer second_consumer = Consumer::attach(store.name(), without_idle_pin(store));
    std::optional<Snapshot> first = first_consumer.snapshot();
    publish(*producer, {2, 0}, "so that the next epoch has a root of its own");
    producer->reclaim();
    publish(*producer, {2, 0}, "and something to reclaim");
    producer->reclaim();
    std::optional<Snapshot> second = second_consumer.snapshot();
    fill(*producer, 2);
    producer.reset();
    producer = store.open();
    first.reset();
    for (std::uint64_t i = 0; i < 20; ++i) {
        fill(*producer, 10 + i);
        producer->reclaim();
    }
    expect(*second, 1);
    second.reset();
    producer->reclaim();
    CHECK(producer->stats().limbo_bytes == 0);
}

TEST_CASE("retained generations that a reader has stay, though the history starts anew") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = store.producer_options();
    options.retain = 5;
    std::optional<Producer> producer = Producer::create(store.name(), options);
    for (std::uint64_t version = 1; version < 10; ++version) {
        fill(*producer, version);
        producer->reclaim();
    }
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    const Generation newest = producer->generation();
    const Snapshot retained = consumer.snapshot(newest - 5);
    expect(retained, 4);
    producer.reset();
    churn(store, 100);
    churn(store, 200);
    expect(retained, 4);
}

TEST_CASE("a removed dimension's file stays for its readers, over restarts, and goes after them") {
    const TempStore store(TempStore::Regions::own);
    std::optional<Producer> producer = store.create();
    fill(*producer, 1, 1);
    fill(*producer, 1, 7);
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    std::optional<Snapshot> held = consumer.snapshot();
    expect(*held, 1, 7);
    {
        Batch batch = producer->batch();
        batch.remove_dimension(7);
        batch.crystallize();
    }
    producer.reset();
    churn(store, 10);
    CHECK(store.region_files() == 2);
    expect(*held, 1, 7);
    held.reset();
    churn(store, 20);
    CHECK(store.region_files() == 1);
}

TEST_CASE("a thousand restarts beside a held snapshot: no more memory than it reaches") {
    const TempStore store(TempStore::Regions::own);
    (void)store.create();
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    {
        Producer producer = store.open();
        fill(producer, 1);
    }
    std::optional<Snapshot> held = consumer.snapshot();
    std::uint64_t most = 0;
    for (std::uint64_t i = 0; i < 1000; ++i) {
        Producer producer = store.open();
        publish(producer, {1, i % layers}, payload_of(i, 2, bytes));
        const ProducerStats stats = producer.stats();
        most = std::max(most, stats.committed_bytes);
        REQUIRE(stats.committed_bytes == store.allocated_bytes());
    }
    CHECK(most < 3 * layers * bytes + 256_KiB);
    expect(*held, 1);
    held.reset();
    Producer producer = store.open();
    CHECK(producer.stats().limbo_bytes == 0);
}

// The history starts anew with each producer: what a former one retained is gone for readers that
// come later, and root records that still name it lead nowhere.
TEST_CASE("restarts of a producer that retains generations take no more memory than others") {
    for (const std::uint32_t retain : {1U, 3U, 20U}) {
        CAPTURE(retain);
        const TempStore store(TempStore::Regions::own);
        ProducerOptions options = store.producer_options();
        options.retain = retain;
        {
            Producer producer = Producer::create(store.name(), options);
            for (std::uint64_t i = 0; i < 20; ++i) {
                publish(producer, {1, 0}, payload_of(0, i, bytes));
            }
        }
        Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
        std::optional<Snapshot> held;
        {
            Producer producer = Producer::open(store.name(), options);
            for (std::uint64_t i = 0; i < 8; ++i) {
                publish(producer, {1, 0}, payload_of(0, 50 + i, bytes));
            }
            held = consumer.snapshot();
        }
        std::uint64_t most = 0;
        for (std::uint64_t i = 0; i < 300; ++i) {
            Producer producer = Producer::open(store.name(), options);
            publish(producer, {1, 0}, payload_of(0, 100 + i, bytes));
            most = std::max(most, producer.stats().committed_bytes);
        }
        CHECK(most < 256_KiB + 2 * retain * bytes);
        CHECK(held->get({1, 0}).text() == payload_of(0, 57, bytes));
        held.reset();
        CHECK(Producer::open(store.name(), options).stats().limbo_bytes == 0);
    }
}

static void hold_back_and_release(bool restarted) {
    CAPTURE(restarted);
    const TempStore store(TempStore::Regions::own);
    const ProducerOptions options = store.producer_options();
    std::optional<Producer> producer = Producer::create(store.name(), options);
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    std::vector<Snapshot> held;
    const std::string payload = payload_of(1, 1, 256 << 10);
    for (std::uint64_t version = 0; version < 40; ++version) {  // 10 MiB
        publish(*producer, {1, 1}, payload);
        held.push_back(consumer.snapshot());
        producer->reclaim();
    }
    CHECK(producer->stats().committed_bytes > 10_MiB);
    held.clear();
    if (restarted) {
        producer.reset();
        producer = Producer::open(store.name(), options);
    }
    // Two: what the first retires is looked at by the second.
    for (int i = 0; i < 2; ++i) {
        publish(*producer, {1, 1}, payload);
        publish(*producer, {1, 1}, payload);
    }
    CHECK(producer->stats().committed_bytes < 4_MiB);
    CHECK(producer->stats().committed_bytes == store.allocated_bytes());
}

TEST_CASE("memory that readers held back goes back to the system by itself") {
    hold_back_and_release(false);
    hold_back_and_release(true);
}

TEST_CASE("a damaged older generation does no harm to the store, nor to other readers") {
    const TempStore store(TempStore::Regions::own);
    std::optional<Producer> producer = store.create();
    fill(*producer, 1);
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    std::vector<Snapshot> held;
    for (std::uint64_t version = 2; version < 6; ++version) {
        held.push_back(consumer.snapshot());
        fill(*producer, version);
        producer->reclaim();
    }
    producer.reset();
    {
        ControlEditor control(store.path());
        for (std::uint64_t i = 0; i < ipc::closing_root_slots; ++i) {
            const std::uint64_t at = ipc::closing_roots_offset + i * sizeof(ipc::ClosingRoot);
            auto entry = control.read<ipc::ClosingRoot>(at);
            entry.root ^= i % 2 == 0 ? 64 : 0;  // some lead astray, some are gone
            entry.epoch = i % 4 == 3 ? 0 : entry.epoch;
            control.write(at, entry);
        }
    }
    churn(store, 100);
    for (std::uint64_t version = 1; version < 5; ++version) {
        expect(held[version - 1], version);
    }
    held.clear();
    Producer last = store.open();
    fill(last, 9);
    last.reclaim();
    CHECK(last.stats().limbo_bytes == 0);
}

TEST_CASE("the clock of reclaiming comes to its end: an error, nothing is lost") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        fill(producer, 1);
    }
    ControlEditor(store.path()).change_cells([](ipc::ControlCells& cells) {
        cells.epoch = ipc::epoch_end - 3;
    });
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    Producer producer = Producer::open(store.name(), options);
    std::optional<Error> error;
    std::uint64_t version = 1;
    while (!error && version < 100) {
        error = strata::test::error_of([&] { fill(producer, version + 1); });
        version += error ? 0 : 1;
    }
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->detail().find("reclamation clock") != std::string::npos);
    expect(store.attach().snapshot(), version);
}

TEST_CASE("at the end of the clock a successor frees nothing that a reader may have") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        fill(producer, 1);
    }
    ControlEditor(store.path()).change_cells([](ipc::ControlCells& cells) {
        cells.epoch = ipc::epoch_end - 2;
    });
    Consumer consumer = Consumer::attach(store.name(), without_idle_pin(store));
    std::optional<Snapshot> held;
    {
        Producer producer = store.open();
        held = consumer.snapshot();
        fill(producer, 2);
    }
    for (std::uint64_t restart = 0; restart < 3; ++restart) {
        Producer producer = store.open();
        for (std::uint64_t i = 0; i < 20; ++i) {
            fill(producer, 3 + 20 * restart + i);
        }
        expect(*held, 1);
    }
}

TEST_CASE("a store that cannot be taken over is left as it was, however often that is tried") {
    const TempStore store(TempStore::Regions::own);
    {
        Producer producer = store.create();
        fill(producer, 1);
    }
    const auto life_files = [&] {
        const std::filesystem::directory_iterator files(store.path());
        return std::count_if(begin(files), end(files), [](const auto& file) {
            return file.path().filename().string().starts_with("life-");
        });
    };
    std::uint64_t epoch = 0;
    ControlEditor(store.path()).change_cells([&](ipc::ControlCells& cells) {
        epoch = std::exchange(cells.epoch, ipc::epoch_end);
    });
    for (int i = 0; i < 10; ++i) {
        CHECK(strata::test::code_of([&] { (void)store.open(); }) == "corrupt");
        CHECK(life_files() == 0);
    }
    ControlEditor(store.path()).change_cells([&](ipc::ControlCells& cells) {
        cells.epoch = epoch;
    });
    Producer producer = store.open();
    CHECK(life_files() == 1);
    expect(store.attach().snapshot(), 1);
}
