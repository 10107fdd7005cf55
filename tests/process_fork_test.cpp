// SPDX-License-Identifier: Apache-2.0
// fork(2) in consumers that hold snapshots and in producers.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
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

bool pins(const TempStore& temp, pid_t pid) {
    const auto all = readers(temp.name(), temp.base());
    return std::any_of(all.begin(), all.end(), [&](const ReaderInfo& r) { return r.pid == pid; });
}

void publish_until(Producer& producer, Generation generation) {
    while (producer.generation() < generation) {
        oracle.publish(producer);
    }
}

/// Uses again every byte that no pin protects, several times.
void churn(Producer& producer) {
    for (int i = 0; i < 1000; ++i) {
        oracle.publish(producer);
        if (i % 20 == 0) {
            producer.reclaim();
        }
    }
}

/// True if everything retired was freed, given some time for idle readers to let go.
bool frees_everything(Producer& producer) {
    const auto deadline = std::chrono::steady_clock::now() + patience / 4;
    do {
        producer.reclaim();
        if (producer.stats().limbo_bytes == 0) {
            return true;
        }
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
}

/// No new descriptors for as long as this lives.
class NoDescriptors {
public:
    NoDescriptors() {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        rlimit none = before_;
        none.rlim_cur = 0;
        ::setrlimit(RLIMIT_NOFILE, &none);
    }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    ~NoDescriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

enum Command : std::uint64_t { check_inherited, take_new, drop_all };

/// What a forked child does with the snapshot that it has inherited.
void use_inherited(Consumer& consumer, Snapshot& inherited, const Channel& channel) {
    Snapshot fresh;
    while (const auto command = channel.receive_or_end()) {
        if (*command == check_inherited) {
            STRATA_REQUIRE_EQ(oracle.mismatch(inherited), "");
            channel.send(inherited.generation());
        } else if (*command == take_new) {
            for (int i = 0; i < 3; ++i) {
                fresh = consumer.snapshot();
                STRATA_REQUIRE_EQ(oracle.mismatch(fresh), "");
            }
            STRATA_REQUIRE_EQ(oracle.mismatch(inherited), "");
            channel.send(fresh.generation());
        } else {
            inherited = {};
            fresh = {};
            channel.send(0);
        }
    }
}

enum class Descriptors : unsigned char { available, exhausted };

/// A consumer that holds a snapshot and forks a child, both under the test's command.
struct Family {
    Child parent;
    Child child;

    static Family start(const TempStore& temp, Descriptors descriptors) {
        adopt_orphans();
        auto sides = Channel::pair();
        auto& ours = sides.first;
        auto& theirs = sides.second;
        auto reports = Channel::pair();
        auto& reasons = reports.first;
        auto& reporting = reports.second;
        Child parent = Child::start([&, descriptors](const Channel& channel) {
            Consumer consumer = temp.attach();
            Snapshot held = consumer.snapshot();
            STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
            pid_t pid = 0;
            if (descriptors == Descriptors::exhausted) {
                const NoDescriptors none;
                pid = ::fork();
            } else {
                pid = ::fork();
            }
            if (pid == 0) {
                run_and_exit(std::move(theirs), reporting.fd(), [&](const Channel& own) {
                    own.send(1);  // it runs: fork(2) has returned in it
                    use_inherited(consumer, held, own);
                });
            }
            channel.send(static_cast<std::uint64_t>(pid));
            use_inherited(consumer, held, channel);
        });
        const auto pid = static_cast<pid_t>(parent.receive());
        Child child = Child::adopted(pid, std::move(ours), std::move(reasons));
        child.receive();
        return {std::move(parent), std::move(child)};
    }
};

std::uint64_t ask(Child& process, Command command) {
    process.send(command);
    return process.receive();
}

enum class Fate : unsigned char { drops, ends, is_killed };

void check_child_outlives(Fate fate, Descriptors descriptors) {
    const TempStore temp;
    Producer producer = temp.create();
    publish_until(producer, 100);
    Family family = Family::start(temp, descriptors);
    const pid_t parent_pid = family.parent.pid();
    CHECK(pins(temp, parent_pid));
    if (descriptors == Descriptors::available) {
        CHECK(pins(temp, family.child.pid()));  // under its own name from the start
    }
    churn(producer);
    CHECK(ask(family.child, check_inherited) == 100);

    switch (fate) {
        case Fate::drops:
            CHECK(ask(family.parent, take_new) == producer.generation());
            CHECK(ask(family.parent, drop_all) == 0);
            break;
        case Fate::ends:
            family.parent.channel().hang_up();
            CHECK(family.parent.join() == "");
            break;
        case Fate::is_killed: CHECK(family.parent.kill_and_join() == ""); break;
    }
    churn(producer);
    if (descriptors == Descriptors::available) {
        CHECK(pins(temp, family.child.pid()));
        CHECK_FALSE(pins(temp, parent_pid));
    }
    CHECK(ask(family.child, check_inherited) == 100);
    CHECK(ask(family.child, take_new) == producer.generation());
    CHECK(pins(temp, family.child.pid()));
    churn(producer);
    CHECK(ask(family.child, check_inherited) == 100);

    CHECK(ask(family.child, drop_all) == 0);
    if (descriptors == Descriptors::available) {
        CHECK(frees_everything(producer));
    }
    if (fate == Fate::drops) {
        CHECK(ask(family.parent, take_new) == producer.generation());
        family.parent.channel().hang_up();
        CHECK(family.parent.join() == "");
    }
    family.child.channel().hang_up();
    CHECK(family.child.join() == "");
    CHECK(readers(temp.name(), temp.base()).empty());
    CHECK(frees_everything(producer));
}

}  // namespace

TEST_CASE("a forked child keeps its snapshot when the parent drops its own") {
    check_child_outlives(Fate::drops, Descriptors::available);
}

TEST_CASE("a forked child keeps its snapshot when the parent ends") {
    check_child_outlives(Fate::ends, Descriptors::available);
}

TEST_CASE("a forked child keeps its snapshot when the parent is killed") {
    check_child_outlives(Fate::is_killed, Descriptors::available);
}

TEST_CASE("a child forked for want of descriptors keeps its snapshot whatever the parent does") {
    check_child_outlives(Fate::drops, Descriptors::exhausted);
    check_child_outlives(Fate::ends, Descriptors::exhausted);
    check_child_outlives(Fate::is_killed, Descriptors::exhausted);
}

TEST_CASE("the parent keeps its snapshot when the child drops it, ends or is killed") {
    for (const Descriptors descriptors : {Descriptors::available, Descriptors::exhausted}) {
        for (const Fate fate : {Fate::drops, Fate::ends, Fate::is_killed}) {
            const TempStore temp;
            Producer producer = temp.create();
            publish_until(producer, 100);
            Family family = Family::start(temp, descriptors);
            switch (fate) {
                case Fate::drops:
                    CHECK(ask(family.child, take_new) == 100);
                    CHECK(ask(family.child, drop_all) == 0);
                    break;
                case Fate::ends: family.child.channel().hang_up(); break;
                case Fate::is_killed: family.child.kill(); break;
            }
            churn(producer);
            CHECK(ask(family.parent, check_inherited) == 100);
            CHECK(ask(family.parent, take_new) == producer.generation());
            churn(producer);
            CHECK(ask(family.parent, check_inherited) == 100);
            CHECK(pins(temp, family.parent.pid()));
            family.parent.channel().hang_up();
            CHECK(family.parent.join() == "");
            if (fate == Fate::drops) {
                family.child.channel().hang_up();
            }
            CHECK((fate == Fate::is_killed ? family.child.join_killed() : family.child.join()) ==
                  "");
            CHECK(frees_everything(producer));
        }
    }
}

TEST_CASE("a forked child that never looks at the store holds nothing back") {
    const TempStore temp;
    Producer producer = temp.create();
    publish_until(producer, 100);
    adopt_orphans();
    auto sides = Channel::pair();
    auto& ours = sides.first;
    auto& theirs = sides.second;
    auto reports = Channel::pair();
    auto& reasons = reports.first;
    auto& reporting = reports.second;
    Child parent = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        for (int i = 0; i < 3; ++i) {  // dropped again: only a pin for the next one is left
            STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
        }
        const pid_t pid = ::fork();
        if (pid == 0) {
            run_and_exit(std::move(theirs), reporting.fd(),
                         [](const Channel& own) { own.receive_or_end(); });
        }
        channel.send(static_cast<std::uint64_t>(pid));
        channel.receive_or_end();
    });
    const auto pid = static_cast<pid_t>(parent.receive());
    Child child = Child::adopted(pid, std::move(ours), std::move(reasons));
    publish_until(producer, 200);
    CHECK(frees_everything(producer));
    CHECK_FALSE(pins(temp, pid));
    parent.channel().hang_up();
    CHECK(parent.join() == "");
    child.channel().hang_up();
    CHECK(child.join() == "");
}

TEST_CASE("children forked while other threads take snapshots read what is right") {
    const TempStore temp;
    Producer producer = temp.create();
    publish_until(producer, 100);
    constexpr int forks = scaled(40, 8);
    Child parent = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        std::atomic<bool> stop{false};
        std::atomic<std::uint64_t> taken{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 3; ++i) {
            threads.emplace_back([&] {
                while (!stop.load()) {
                    const Snapshot snapshot = consumer.snapshot();
                    std::uint64_t present = 0;
                    const std::uint64_t index = taken.fetch_add(1) % oracle.layers;
                    if (!oracle.mismatch(snapshot, index, present).empty()) {
                        std::abort();
                    }
                }
            });
        }
        for (int i = 0; i < forks; ++i) {
            Snapshot held = consumer.snapshot();
            Child child = Child::start([&](const Channel& own) {
                own.receive();
                STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
                STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
                STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
                STRATA_REQUIRE(consumer.snapshot().generation() >= held.generation());
            });
            held = {};
            channel.send(1);
            channel.receive();  // the producer has published some more
            child.send(1);
            STRATA_REQUIRE_EQ(child.join(), "");
        }
        stop.store(true);
        for (std::thread& thread : threads) {
            thread.join();
        }
    });
    for (int i = 0; i < forks; ++i) {
        REQUIRE(parent.receive() == 1);
        for (int k = 0; k < 60; ++k) {
            oracle.publish(producer);
        }
        producer.reclaim();
        parent.send(1);
    }
    CHECK(parent.join() == "");
    CHECK(frees_everything(producer));
}

TEST_CASE("a producer is of no use in a forked child, and the child cannot harm it") {
    const TempStore temp;
    Child owner = Child::start([&](const Channel& channel) {
        auto producer = std::make_unique<Producer>(temp.create());
        publish_until(*producer, 50);
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
        publish_until(*producer, 60);
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
