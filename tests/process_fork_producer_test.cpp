// SPDX-License-Identifier: Apache-2.0
// Producers and fork(2): a child can neither use its copy nor harm the parent, and keeps no store.
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr Oracle oracle{.layers = 300, .max_payload = 700};

enum class Fate : unsigned char { drops, ends, is_killed };

}  // namespace

TEST_CASE("a producer is of no use in a forked child, and the child cannot harm it") {
    const TempStore temp;
    Child owner = Child::start([&](const Channel& channel) {
        auto producer = std::make_unique<Producer>(temp.create());
        oracle.publish_until(*producer, 50);
        // Not published at the time of the fork: a change, and a dimension with a file of its own.
        auto batch = std::make_unique<Batch>(producer->batch());
        oracle.prepare(*batch, 51);
        batch->put({77, 1}, "of the parent");
        Child child = Child::start([&](const Channel&) {
            const std::string refused = "wrong_process";
            STRATA_REQUIRE_EQ(code_of([&] { (void)producer->stats(); }), refused);
            STRATA_REQUIRE_EQ(code_of([&] { (void)producer->reclaim(); }), refused);
            STRATA_REQUIRE_EQ(code_of([&] { (void)producer->trim(); }), refused);
            STRATA_REQUIRE_EQ(code_of([&] { producer->set_memory_limit(1_MiB); }), refused);
            STRATA_REQUIRE_EQ(code_of([&] { batch->put({1, 1}, "x"); }), refused);
            STRATA_REQUIRE_EQ(code_of([&] { batch->put({78, 1}, "x"); }), refused);
            STRATA_REQUIRE_EQ(code_of([&] { batch->crystallize(); }), refused);
            STRATA_REQUIRE_EQ(code_of([&] {
                                  Batch own = producer->batch();
                                  own.put({1, 1}, "x");
                              }),
                              refused);
            STRATA_REQUIRE_EQ(code_of([&] { (void)temp.open(); }), "producer_active");
            batch.reset();
            producer.reset();
        });
        STRATA_REQUIRE_EQ(child.join(), "");
        STRATA_REQUIRE_EQ(batch->crystallize(), 51U);
        oracle.publish_until(*producer, 60);
        channel.send(producer->generation());
        channel.receive_or_end();
    });
    REQUIRE(owner.receive() == 60);
    Consumer consumer = temp.attach();
    CHECK(consumer.producer_pid() == owner.pid());
    const Snapshot snapshot = consumer.snapshot();
    CHECK(snapshot.get({77, 1}).text() == "of the parent");
    std::uint64_t present = 0;
    for (std::uint64_t layer = 0; layer < oracle.layers; ++layer) {
        CHECK(oracle.mismatch(snapshot, layer, present) == "");
    }
    owner.channel().hang_up();
    CHECK(owner.join() == "");
    CHECK(temp.open().generation() == 60);
}

TEST_CASE("a dead producer's store is free although a child of it lives on") {
    const TempStore temp;
    adopt_orphans();
    for (const Fate fate : {Fate::ends, Fate::is_killed}) {
        auto sides = Channel::pair();
        auto& ours = sides.first;
        auto& theirs = sides.second;
        auto reports = Channel::pair();
        auto& reasons = reports.first;
        auto& reporting = reports.second;
        Child owner = Child::start([&](const Channel& channel) {
            Producer producer = Producer::open_or_create(temp.name(), temp.producer_options());
            oracle.publish(producer);
            const pid_t pid = ::fork();
            if (pid == 0) {
                run_and_exit(std::move(theirs), reporting.fd(), [&](const Channel& own) {
                    own.send(1);  // it runs: fork(2) has returned in it
                    own.receive_or_end();
                    STRATA_REQUIRE_EQ(code_of([&] { (void)producer.stats(); }), "wrong_process");
                });
            }
            channel.send(static_cast<std::uint64_t>(pid));
            channel.receive_or_end();
        });
        const auto pid = static_cast<pid_t>(owner.receive());
        Child child = Child::adopted(pid, std::move(ours), std::move(reasons));
        REQUIRE(child.receive() == 1);
        CHECK(temp.attach().producer_pid() == owner.pid());
        if (fate == Fate::ends) {
            owner.channel().hang_up();
            CHECK(owner.join() == "");
        } else {
            CHECK(owner.kill_and_join() == "");
        }
        CHECK_FALSE(temp.attach().producer_alive());
        {
            Producer next = temp.open();
            oracle.publish(next);
            // The end of the child, and of the producer object in it, is nothing to the new one.
            child.channel().hang_up();
            CHECK(child.join() == "");
            oracle.publish(next);
            CHECK(temp.attach().producer_pid() == getpid());
            CHECK(code_of([&] { (void)temp.open(); }) == "producer_active");
        }
        CHECK(oracle.mismatch(temp.attach().snapshot()) == "");
    }
}

TEST_CASE("children forked in the midst of commits destroy their copy of the producer") {
    if (address_sanitized) {
        return;  // its allocator hangs in a child that was forked while another thread allocated
    }
    const TempStore temp;
    std::optional<Producer> producer = temp.create();
    std::atomic<bool> stop{false};
    std::thread committer([&] {
        for (Dimension dimension = 1; !stop.load(); dimension = dimension % 5 + 1) {
            Batch batch = producer->batch();
            batch.remove_dimension(dimension);
            batch.put({dimension, 1}, "new");
            batch.put({dimension + 10, 1}, "new too");
            batch.crystallize();
        }
    });
    for (int i = 0; i < scaled(100, 10); ++i) {
        Child child = Child::start([&](const Channel&) { producer.reset(); });
        CHECK(child.join() == "");
    }
    stop = true;
    committer.join();
    producer.reset();
    CHECK(temp.open().generation() > 1);
}

TEST_CASE("children forked while a store is opened and closed do not keep it for themselves") {
    if (address_sanitized) {
        return;
    }
    const TempStore temp;
    {
        Producer producer = temp.create();
        oracle.publish(producer);
    }
    std::atomic<bool> stop{false};
    std::string refused = "no error";
    std::thread opener([&] {
        while (!stop.load() && refused == "no error") {
            refused = code_of([&] { (void)temp.open(); });
        }
    });
    std::vector<Child> children;
    for (int i = 0; i < scaled(60, 10); ++i) {
        children.push_back(Child::start([](const Channel& channel) { channel.receive_or_end(); }));
    }
    stop = true;
    opener.join();
    CHECK(refused == "no error");
    (void)temp.open();
    for (Child& child : children) {
        child.channel().hang_up();
        CHECK(child.join() == "");
    }
}
