// SPDX-License-Identifier: Apache-2.0
// Readers that hold on to what they have: what they can cost, and whom the error names.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr Oracle oracle{.layers = 600, .max_payload = 700};

bool pins(const TempStore& temp, pid_t pid) {
    const auto all = readers(temp.name(), temp.base());
    return std::any_of(all.begin(), all.end(), [&](const ReaderInfo& r) { return r.pid == pid; });
}

/// Takes one snapshot and holds it; compares it whenever a word comes.
Child holder(const TempStore& temp) {
    return Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        const Snapshot held = consumer.snapshot();
        do {
            STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
            channel.send(held.generation());
        } while (channel.receive_or_end());
    });
}

constexpr std::uint64_t block = 3500;
constexpr std::uint64_t blocks = 200;

void put_block(Batch& batch, std::uint64_t layer, std::uint64_t version) {
    batch.put({1, layer}, std::string(block, static_cast<char>('a' + version % 26)));
}

/// A store of 200 blocks whose limit leaves no room for 200 more.
Producer nearly_full(const TempStore& temp) {
    ProducerOptions options = temp.producer_options();
    options.memory_limit = 1500_KiB;
    Producer producer = Producer::create(temp.name(), options);
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < blocks; ++layer) {
        put_block(batch, layer, 0);
    }
    batch.crystallize();
    return producer;
}

}  // namespace

TEST_CASE("a reader that never releases a full store is named, and its death makes room") {
    const TempStore temp;
    Producer producer = nearly_full(temp);
    Child reader = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        const Snapshot held = consumer.snapshot();
        do {
            for (std::uint64_t layer = 0; layer < blocks; ++layer) {
                STRATA_REQUIRE_EQ(held.get({1, layer}).text(), std::string(block, 'a'));
            }
            channel.send(held.generation());
        } while (channel.receive_or_end());
    });
    REQUIRE(reader.receive() == 2);
    const std::string pid = std::to_string(reader.pid());
    const auto names_the_reader = [&](const Error& error) {
        const std::string text = error.what();
        CHECK(error.code() == Errc::limit_exceeded);
        CHECK_MESSAGE(text.find("process " + pid) != std::string::npos, text);
        CHECK(error.limit() == 1500_KiB);
        CHECK(error.current() <= error.limit());
    };

    // Commit by commit, until one does not fit.
    Batch batch = producer.batch();
    std::optional<Error> refusal;
    std::uint64_t layer = 0;
    for (; layer < blocks && !refusal; ++layer) {
        refusal = error_of([&] {
            put_block(batch, layer, 1);
            batch.crystallize();
        });
    }
    REQUIRE(refusal);
    names_the_reader(*refusal);
    --layer;  // this one was refused
    const Generation before = producer.generation();
    CHECK(before == 2 + layer);

    // A batch that has some of its changes already, and cannot have the next.
    std::uint64_t next = layer;
    std::optional<Error> full;
    for (; next < blocks; ++next) {
        full = error_of([&] { put_block(batch, next, 2); });
        if (full) {
            break;
        }
    }
    REQUIRE(full);
    names_the_reader(*full);
    CHECK(producer.generation() == before);  // nothing was lost, nothing published
    CHECK(producer.stats().committed_bytes <= 1500_KiB);
    CHECK(temp.allocated_bytes() <= 1500_KiB);
    Consumer consumer = temp.attach();
    for (std::uint64_t i = 0; i < blocks; ++i) {
        const char expected = i < layer ? 'b' : 'a';
        CHECK(consumer.snapshot().get({1, i}).text() == std::string(block, expected));
    }
    reader.send(0);
    CHECK(reader.receive() == 2);  // its snapshot is whole

    REQUIRE(reader.kill_and_join() == "");
    for (; next < blocks; ++next) {
        put_block(batch, next, 2);
    }
    CHECK(batch.crystallize() == before + 1);
    for (std::uint64_t i = 0; i < blocks; ++i) {
        const char expected = i < layer ? 'b' : 'c';
        CHECK(consumer.snapshot().get({1, i}).text() == std::string(block, expected));
    }
}

TEST_CASE("a commit that does not fit beside a reader succeeds unchanged after the reader's end") {
    const TempStore temp;
    Producer producer = temp.create();
    // A change in each of 256 index nodes: commits need more memory than puts.
    constexpr std::uint64_t nodes = 256;
    Batch batch = producer.batch();
    for (std::uint64_t layer = 0; layer < nodes * 64; ++layer) {
        batch.put({1, layer}, "0");
    }
    batch.crystallize();
    const auto prepare = [&](std::uint64_t round) {
        for (std::uint64_t node = 0; node < nodes; ++node) {
            batch.put({1, node * 64 + round}, std::to_string(round));
        }
    };
    for (std::uint64_t round = 1; round < 4; ++round) {
        prepare(round);
        batch.crystallize();
        producer.reclaim();
    }
    Child reader = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        const Snapshot held = consumer.snapshot();
        channel.send(held.generation());
        channel.receive_or_end();
    });
    REQUIRE(reader.receive() == 5);
    prepare(4);
    batch.crystallize();

    // From here on there is room for the nodes of two generations, not of three.
    prepare(5);
    producer.trim();
    // (Puts leave the last sixteenth to commits that only erase.)
    producer.set_memory_limit(producer.stats().committed_bytes * 16 / 15);
    const auto refusal = error_of([&] { batch.crystallize(); });
    REQUIRE(refusal);
    CHECK(refusal->code() == Errc::limit_exceeded);
    CHECK_MESSAGE(std::string(refusal->what()).find("process " + std::to_string(reader.pid())) !=
                      std::string::npos,
                  refusal->what());
    CHECK(producer.generation() == 6);
    CHECK(batch.size() == nodes);
    CHECK(code_of([&] { batch.crystallize(); }) == "limit_exceeded");

    REQUIRE(reader.kill_and_join() == "");
    REQUIRE(batch.crystallize() == 7);
    const Snapshot snapshot = temp.attach().snapshot();
    CHECK(snapshot.layer_count() == nodes * 64);
    for (std::uint64_t node = 0; node < nodes; ++node) {
        CHECK(snapshot.get({1, node * 64 + 5}).text() == "5");
    }
}

TEST_CASE("a snapshot held through long churn stays whole and costs no more than itself") {
    const TempStore temp;
    Producer producer = temp.create();
    while (producer.generation() < 400) {
        oracle.publish(producer);
    }
    const std::uint64_t live_at_first = producer.stats().live_bytes;
    std::vector<Child> holders;
    holders.push_back(holder(temp));
    REQUIRE(holders.back().receive() == 400);
    // A second one that is younger, so that there are blocks which only one of them needs.
    oracle.publish(producer);
    producer.reclaim();
    holders.push_back(holder(temp));
    REQUIRE(holders.back().receive() == 401);

    constexpr Generation generations = scaled(120'000, 4'000);
    std::uint64_t peak_committed = 0;
    std::uint64_t peak_live = 0;
    std::uint64_t peak_limbo = 0;
    for (Generation g = 0; g < generations; ++g) {
        oracle.publish(producer);
        if (g % 64 == 0) {
            const ProducerStats stats = producer.stats();
            peak_committed = std::max(peak_committed, stats.committed_bytes);
            peak_live = std::max(peak_live, stats.live_bytes);
            peak_limbo = std::max(peak_limbo, stats.limbo_bytes);
        }
        if (g % (generations / 8) == 0) {
            for (Child& child : holders) {
                child.send(0);
                child.receive();
            }
        }
    }
    MESSAGE("updates: " << generations * oracle.changes << ", peak committed " << peak_committed
                        << ", peak live " << peak_live << ", peak limbo " << peak_limbo);
    // Two old snapshots, which share most of their blocks; and what waits for the next reclaim.
    CHECK(peak_limbo <= 2 * live_at_first + 256_KiB);
    CHECK(peak_committed <= (peak_live + 2 * live_at_first) * 14 / 10 + 1_MiB);

    for (Child& child : holders) {
        child.send(0);
        CHECK(child.receive() <= 401);
        child.channel().hang_up();
        CHECK(child.join() == "");
    }
    producer.reclaim();
    CHECK(producer.stats().limbo_bytes == 0);
}

TEST_CASE("an idle consumer holds nothing back") {
    const TempStore temp;
    Producer producer = temp.create();
    while (producer.generation() < 100) {
        oracle.publish(producer);
    }
    Child idle = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        for (int i = 0; i < 3; ++i) {
            STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
            channel.send(1);
            channel.receive();  // asleep, without any snapshot
        }
        STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
    });
    for (int snapshots = 1; snapshots <= 3; ++snapshots) {
        CAPTURE(snapshots);
        REQUIRE(idle.receive() == 1);
        // A process that has taken a single snapshot keeps no pin; later ones may be kept.
        CHECK(pins(temp, idle.pid()) == (snapshots > 1));
        for (int i = 0; i < 200; ++i) {
            oracle.publish(producer);
        }
        // Asked, it releases. (Where there was no pin the commits have freed everything
        // themselves.)
        const auto deadline = std::chrono::steady_clock::now() + patience;
        while (producer.reclaim(), producer.stats().limbo_bytes > 0) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
        }
        CHECK_FALSE(pins(temp, idle.pid()));
        idle.send(0);
    }
    CHECK(idle.join() == "");
}

TEST_CASE("an idle consumer does not make a commit fail at the limit") {
    const TempStore temp;
    Producer producer = nearly_full(temp);
    Child idle = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        for (int i = 0; i < 3; ++i) {
            STRATA_REQUIRE(consumer.snapshot().find({1, 0}));
        }
        channel.send(1);
        channel.receive();
    });
    REQUIRE(idle.receive() == 1);
    REQUIRE(pins(temp, idle.pid()));
    Batch batch = producer.batch();
    for (std::uint64_t version = 1; version < 20; ++version) {
        for (std::uint64_t layer = 0; layer < blocks; ++layer) {
            // On a machine that is short of processors the idle one may need more than the moment
            // that the producer gives it.
            std::optional<Error> refusal;
            for (int attempt = 0; attempt < 100; ++attempt) {
                refusal = error_of([&] {
                    put_block(batch, layer, version);
                    batch.crystallize();
                });
                if (!refusal) {
                    break;
                }
                batch.clear();
            }
            REQUIRE_MESSAGE(!refusal, refusal->what());
        }
    }
    idle.send(0);
    CHECK(idle.join() == "");
}
