// SPDX-License-Identifier: Apache-2.0
// Ten million small updates with readers coming and going: memory stays bounded, nothing is wrong.
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

constexpr Oracle oracle{.layers = 1000, .dimensions = 3, .changes = 8, .max_payload = 120};
constexpr std::uint64_t updates = scaled(10'000'000, 200'000);
constexpr std::uint64_t consumers_at_once = 3;

/// What the store may hold beyond 1.4 x its live bytes, whatever its size: four files (the control
/// file and three regions) that begin with 64 KiB and grow by as much; in each region a partly used
/// slab of up to 64 KiB for each of its size classes; 64 KiB of retired blocks, which gather before
/// reclaiming is worth its while. And what is held back for consumers: each has two snapshots at
/// most, and a snapshot holds back no more than was live when it was taken.
constexpr std::uint64_t constant = 1_MiB;
constexpr std::uint64_t snapshots_at_once = 2 * consumers_at_once;

enum Manner : std::uint64_t { follows, holds_for_a_while, is_killed, manners };

/// One consumer's life: `snapshots` snapshots, each compared whole.
void consume(const TempStore& temp, const Channel& channel, std::uint64_t manner) {
    Consumer consumer = temp.attach();
    Snapshot held = consumer.snapshot();
    channel.send(consumer.generation());
    std::uint64_t checked = 0;
    for (int i = 0; i < 20 || manner == is_killed; ++i) {
        const Snapshot snapshot = consumer.snapshot();
        STRATA_REQUIRE_EQ(oracle.mismatch(snapshot), "");
        ++checked;
        if (manner == holds_for_a_while) {
            (void)consumer.wait(snapshot.generation() + 500, std::chrono::milliseconds(5));
        } else {
            held = snapshot;
        }
        STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
        ++checked;
    }
    channel.send(checked);
}

/// Starts consumers and sees them off, so that there are always a few.
class Visitors {
public:
    explicit Visitors(const TempStore& temp) : temp_(temp) {}

    void look_after() {
        for (auto visitor = present_.begin(); visitor != present_.end();) {
            if (visitor->manner == is_killed && visitor->began && visitor->looks_left-- == 0) {
                CHECK(visitor->child.kill_and_join() == "");
                ++killed_;
            } else if (!visitor->child.channel().ready()) {
                ++visitor;
                continue;
            } else if (!visitor->began) {
                visitor->child.receive();
                visitor->began = true;
                ++visitor;
                continue;
            } else {
                checked_ += visitor->child.receive();
                CHECK(visitor->child.join() == "");
            }
            visitor = present_.erase(visitor);
        }
        if (present_.size() < consumers_at_once) {
            const std::uint64_t manner = started_++ % manners;
            present_.push_back({.child = Child::start(
                                    [&, manner](const Channel& c) { consume(temp_, c, manner); }),
                                .manner = manner,
                                .looks_left = random_.below(20)});
        }
    }
    void see_off() {
        for (Visitor& visitor : present_) {
            if (visitor.manner == is_killed) {
                CHECK(visitor.child.kill_and_join() == "");
                ++killed_;
                continue;
            }
            if (!visitor.began) {
                visitor.child.receive();
            }
            checked_ += visitor.child.receive();
            CHECK(visitor.child.join() == "");
        }
        present_.clear();
    }

    std::uint64_t started() const noexcept { return started_; }
    std::uint64_t killed() const noexcept { return killed_; }
    std::uint64_t checked() const noexcept { return checked_; }

private:
    struct Visitor {
        Child child;
        std::uint64_t manner = 0;
        std::uint64_t looks_left = 0;  // before it is killed
        bool began = false;
    };
    const TempStore& temp_;
    Random random_{1};
    std::vector<Visitor> present_;
    std::uint64_t started_ = 0;
    std::uint64_t killed_ = 0;
    std::uint64_t checked_ = 0;
};

}  // namespace

TEST_CASE("ten million small updates with consumers coming and going: memory stays bounded") {
    const TempStore temp;
    Producer producer = temp.create();
    Visitors visitors(temp);
    std::uint64_t peak_committed = 0;
    std::uint64_t peak_live = 0;
    std::uint64_t peak_excess = 0;
    const auto look = [&] {
        const ProducerStats stats = producer.stats();
        // Both what it says and what the kernel counts.
        const std::uint64_t held = std::max(stats.committed_bytes, temp.allocated_bytes());
        peak_committed = std::max(peak_committed, held);
        peak_live = std::max(peak_live, stats.live_bytes);
        peak_excess = std::max(peak_excess, held - std::min(held, stats.live_bytes * 14 / 10));
    };
    const auto start = std::chrono::steady_clock::now();
    Batch batch = producer.batch();
    for (std::uint64_t done = 0; done < updates; done += oracle.changes) {
        oracle.prepare(batch, producer.generation() + 1);
        batch.crystallize();
        if (producer.generation() % 512 == 0) {
            look();
            visitors.look_after();
        }
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    look();
    visitors.see_off();

    const ProducerStats stats = producer.stats();
    MESSAGE(updates << " updates in " << producer.generation() << " generations, " << took.count()
                    << " s; " << visitors.started() << " consumers (" << visitors.killed()
                    << " killed) compared " << visitors.checked() << " snapshots");
    MESSAGE("peak committed " << peak_committed << ", peak live " << peak_live << ", at most "
                              << peak_excess << " beyond 1.4 x live; " << stats.epoch << " epochs");
    CHECK(peak_excess <= constant + snapshots_at_once * peak_live);
    CHECK(visitors.checked() >= scaled(1000, 40));
    CHECK(visitors.killed() >= scaled(30, 1));
    CHECK(stats.allocation_failures == 0);

    // Nobody reads any more: what is left is live, except for partly used pages.
    producer.trim();
    const ProducerStats rest = producer.stats();
    MESSAGE("after trim: committed " << rest.committed_bytes << ", live " << rest.live_bytes);
    CHECK(rest.limbo_bytes == 0);
    CHECK(rest.committed_bytes <= rest.live_bytes * 14 / 10 + constant);
    CHECK(oracle.mismatch(temp.attach().snapshot()) == "");
}
