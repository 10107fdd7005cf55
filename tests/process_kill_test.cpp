// SPDX-License-Identifier: Apache-2.0
// SIGKILL at random times, of readers and of producers: nobody else notices more than silence.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr Oracle oracle{.layers = 300, .max_payload = 800};
constexpr int rounds = 30;
// Each of four files and each of its size classes has some room that is not used yet: more of it
// the fewer generations a slow build gets done between two kills.
constexpr std::uint64_t constant = 1_MiB;

/// Another schedule for each run of the tests, or STRATA_TEST_SEED to have one again.
std::uint64_t schedule_seed() {
    const char* const given = std::getenv("STRATA_TEST_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10)
                         : static_cast<std::uint64_t>(
                               std::chrono::system_clock::now().time_since_epoch().count());
    MESSAGE("STRATA_TEST_SEED=" << seed);
    return seed;
}

void pause_for(std::uint64_t microseconds) {
    // The random moment of a kill: nothing waits for anything here.
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
}

bool pins(const TempStore& temp, pid_t pid) {
    const auto all = readers("store", temp.base());
    return std::any_of(all.begin(), all.end(), [&](const ReaderInfo& r) { return r.pid == pid; });
}

/// Compares snapshot after snapshot until told to stop; answers with how many.
void follow(const TempStore& temp, const Channel& channel) {
    Consumer consumer = temp.attach();
    std::uint64_t checked = 0;
    Generation seen = 0;
    channel.send(1);
    while (!channel.ready()) {
        const Snapshot snapshot = consumer.snapshot();
        STRATA_REQUIRE(snapshot.generation() >= seen);
        seen = snapshot.generation();
        STRATA_REQUIRE_EQ(oracle.mismatch(snapshot), "");
        ++checked;
        (void)consumer.wait(seen, std::chrono::milliseconds(1));
    }
    channel.send(checked);
}

/// Attaches again and again, always holding some snapshot, until it is killed.
[[noreturn]] void read_recklessly(const TempStore& temp, const Channel& channel) {
    Snapshot held = temp.attach().snapshot();
    channel.send(1);
    for (;;) {
        Consumer consumer = temp.attach();
        for (int i = 0; i < 5; ++i) {
            Snapshot next = consumer.snapshot();
            STRATA_REQUIRE_EQ(oracle.mismatch(next), "");
            STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
            held.swap(next);
        }
    }
}

/// The oracle's change and, so that files come and go as well, a dimension that is there in every
/// other pair of generations.
void publish_with_spare(Producer& producer) {
    const Generation g = producer.generation() + 1;
    Batch batch = producer.batch();
    oracle.prepare(batch, g);
    if (g % 4 == 0) {
        batch.add_dimension(90, "spare");
    } else if (g % 4 == 2) {
        batch.remove_dimension(90);
    }
    batch.crystallize();
}

void check_with_spare(const Snapshot& snapshot) {
    CHECK(oracle.mismatch(snapshot) == "");
    const Generation g = snapshot.generation();
    CHECK(snapshot.has_dimension(90) == (g >= 4 && g % 4 < 2));
}

}  // namespace

TEST_CASE("a reader killed at any time disturbs nobody, and its pin goes with it: 30 of 30") {
    Random random(schedule_seed());
    const TempStore temp;
    Producer producer = temp.create();
    while (producer.generation() < 100) {
        oracle.publish(producer);
    }
    std::vector<Child> followers;
    for (int i = 0; i < 2; ++i) {
        followers.push_back(Child::start([&](const Channel& c) { follow(temp, c); }));
        REQUIRE(followers.back().receive() == 1);
    }
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(round);
        Child victim = Child::start([&](const Channel& c) { read_recklessly(temp, c); });
        REQUIRE(victim.receive() == 1);
        const pid_t pid = victim.pid();
        CHECK(pins(temp, pid));
        for (std::uint64_t i = random.below(300); i > 0; --i) {
            oracle.publish(producer);
        }
        pause_for(random.below(3000));
        REQUIRE(victim.kill_and_join() == "");
        CHECK_FALSE(pins(temp, pid));
        for (int i = 0; i < 20; ++i) {
            oracle.publish(producer);
        }
    }
    for (Child& follower : followers) {
        follower.send(0);
        CHECK(follower.receive() > rounds);
        CHECK(follower.join() == "");
    }
    // No trace of the dead: nothing is held back, nothing leaks.
    CHECK(readers("store", temp.base()).empty());
    producer.trim();
    const ProducerStats stats = producer.stats();
    CHECK(stats.limbo_bytes == 0);
    CHECK(stats.committed_bytes <= stats.live_bytes * 14 / 10 + constant);
    CHECK(oracle.mismatch(temp.attach().snapshot()) == "");
}

TEST_CASE("files of dimensions that were never published go with the next producer") {
    const TempStore temp;
    { const Producer producer = temp.create(); }
    const auto region_files = [&] {
        std::size_t count = 0;
        for (const auto& entry : std::filesystem::directory_iterator(temp.path())) {
            count += entry.path().filename().string().starts_with("region-") ? 1 : 0;
        }
        return count;
    };
    const std::size_t before = region_files();
    Child killed = Child::start([&](const Channel& channel) {
        Producer producer = temp.open();
        Batch batch = producer.batch();
        batch.add_dimension(50, {.own_region = true});
        batch.put({50, 1}, "never published");
        channel.send(1);
        channel.receive();
    });
    REQUIRE(killed.receive() == 1);
    CHECK(region_files() == before + 1);
    REQUIRE(killed.kill_and_join() == "");
    const Producer next = temp.open();
    CHECK(region_files() == before);
}

TEST_CASE("a producer killed at any time loses nothing and is followed by the next: 30 rounds") {
    Random random(schedule_seed());
    const TempStore temp;
    { Producer producer = temp.create(); }
    // Attached to the first producer's files throughout.
    Consumer consumer = temp.attach();
    std::vector<Child> followers;
    for (int i = 0; i < 2; ++i) {
        followers.push_back(Child::start([&](const Channel& channel) {
            Consumer own = temp.attach();
            std::uint64_t checked = 0;
            Generation seen = 0;
            channel.send(1);
            while (!channel.ready()) {
                const Snapshot snapshot = own.snapshot();
                STRATA_REQUIRE(snapshot.generation() >= seen);
                seen = snapshot.generation();
                std::uint64_t present = 0;
                for (std::uint64_t layer = 0; layer < oracle.layers; ++layer) {
                    STRATA_REQUIRE_EQ(oracle.mismatch(snapshot, layer, present), "");
                }
                ++checked;
            }
            channel.send(checked);
        }));
        REQUIRE(followers.back().receive() == 1);
    }

    Generation last = consumer.generation();
    for (int round = 0; round < rounds; ++round) {
        CAPTURE(round);
        CHECK(consumer.wait(last, std::chrono::seconds(10)) == WaitResult::producer_gone);
        CHECK_FALSE(consumer.producer_alive());
        Child producer = Child::start([&](const Channel& channel) {
            Producer own = temp.open();
            channel.send(own.generation());
            for (;;) {
                publish_with_spare(own);
            }
        });
        if (round % 3 == 2) {
            // While it starts and takes over, perhaps.
            pause_for(random.below(2000));
        } else {
            const Generation opened = producer.receive();
            CHECK(opened >= last);
            CHECK(opened <= last + 1);  // it died between its last two stores
            CHECK(consumer.wait(last, patience) == WaitResult::changed);
            CHECK(consumer.producer_pid() == producer.pid());
            pause_for(random.below(20'000));
        }
        REQUIRE(producer.kill_and_join() == "");

        const Snapshot snapshot = consumer.snapshot();
        CHECK(snapshot.generation() >= last);
        CHECK(consumer.generation() >= last);
        check_with_spare(snapshot);
        last = snapshot.generation();
    }
    MESSAGE("generations: " << last);
    for (Child& follower : followers) {
        follower.send(0);
        CHECK(follower.receive() > 0);
        CHECK(follower.join() == "");
    }

    // What the dead left over is found again.
    Producer final_producer = temp.open();
    CHECK(final_producer.generation() >= last);
    publish_with_spare(final_producer);
    check_with_spare(consumer.snapshot());
    consumer = temp.attach();  // a new attachment: nothing is pinned any more
    CHECK(readers("store", temp.base()).empty());
    final_producer.trim();
    const ProducerStats stats = final_producer.stats();
    CHECK(stats.limbo_bytes == 0);
    CHECK(stats.committed_bytes <= stats.live_bytes * 14 / 10 + constant);
    CHECK(temp.region_files() == statistics(final_producer).regions.size());
    CHECK(temp.allocated_bytes() == stats.committed_bytes);
}
