// SPDX-License-Identifier: Apache-2.0
// Consumers and fork(2): parent and child each keep what they hold, whatever the other does.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <initializer_list>
#include <poll.h>
#include <sys/resource.h>
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

bool pins(const TempStore& temp, pid_t pid) {
    const auto all = readers(temp.name(), temp.base());
    return std::any_of(all.begin(), all.end(), [&](const ReaderInfo& r) { return r.pid == pid; });
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

/// Whether it comes true while the producer asks for old pins: the threads that release idle ones
/// take their time.
template <class Condition>
bool comes_true(Producer& producer, Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + patience / 4;
    do {
        producer.reclaim();
        if (condition()) {
            return true;
        }
        std::this_thread::yield();
    } while (std::chrono::steady_clock::now() < deadline);
    return false;
}

/// Whether everything retired is freed once idle readers have released what they pin.
bool frees_everything(Producer& producer) {
    return comes_true(producer, [&] { return producer.stats().limbo_bytes == 0; });
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
    oracle.publish_until(producer, 100);
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
        CHECK(comes_true(producer, [&] { return !pins(temp, parent_pid); }));
    }
    CHECK(ask(family.child, check_inherited) == 100);
    CHECK(ask(family.child, take_new) == producer.generation());
    CHECK(pins(temp, family.child.pid()));
    churn(producer);
    CHECK(ask(family.child, check_inherited) == 100);

    // Also if they began by sharing a description: each has one of its own since it could.
    CHECK(ask(family.child, drop_all) == 0);
    CHECK(frees_everything(producer));
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
            oracle.publish_until(producer, 100);
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
    oracle.publish_until(producer, 100);
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
    oracle.publish_until(producer, 200);
    CHECK(frees_everything(producer));
    CHECK_FALSE(pins(temp, pid));
    parent.channel().hang_up();
    CHECK(parent.join() == "");
    child.channel().hang_up();
    CHECK(child.join() == "");
}

TEST_CASE("a killed parent's locks go with it, also if the control file had outgrown its mapping") {
    const TempStore temp;
    Producer producer = temp.create();
    adopt_orphans();
    auto sides = Channel::pair();
    auto& ours = sides.first;
    auto& theirs = sides.second;
    auto reports = Channel::pair();
    auto& reasons = reports.first;
    auto& reporting = reports.second;
    Child parent = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        Snapshot held = consumer.snapshot();
        channel.send(1);
        channel.receive_or_end();
        held = consumer.snapshot();
        const pid_t pid = ::fork();
        if (pid == 0) {
            run_and_exit(std::move(theirs), reporting.fd(), [&](const Channel& own) {
                held = {};
                own.receive_or_end();
            });
        }
        channel.send(static_cast<std::uint64_t>(pid));
        channel.receive_or_end();
    });
    CHECK(parent.receive() == 1);
    const auto mapped = 2 * std::filesystem::file_size(temp.file("control.mmap"));
    for (Dimension next = 1; std::filesystem::file_size(temp.file("control.mmap")) <= mapped;) {
        Batch batch = producer.batch();
        for (int i = 0; i < 100; ++i) {
            batch.add_dimension(next++);
        }
        batch.crystallize();
    }
    parent.channel().send(1);
    Child child =
        Child::adopted(static_cast<pid_t>(parent.receive()), std::move(ours), std::move(reasons));
    const pid_t parent_pid = parent.pid();
    CHECK(pins(temp, parent_pid));
    CHECK(parent.kill_and_join() == "");
    CHECK(comes_true(producer, [&] { return !pins(temp, parent_pid); }));
    child.channel().hang_up();
    CHECK(child.join() == "");
}

TEST_CASE("children forked while other threads take snapshots read what is right") {
    const TempStore temp;
    Producer producer = temp.create();
    oracle.publish_until(producer, 100);
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

TEST_CASE("a forked child has an event descriptor of its own, under the number that it inherits") {
    const TempStore temp;
    Producer producer = temp.create();
    const auto readable = [](int fd, int timeout_ms) {
        pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
        return ::poll(&entry, 1, timeout_ms) == 1 && entry.revents == POLLIN;
    };
    const int forever = static_cast<int>(std::chrono::milliseconds(patience).count());
    Child parent = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        const int fd = consumer.event_descriptor();
        channel.send(1);
        STRATA_REQUIRE(readable(fd, forever));  // as it is at the time of the fork
        Child child = Child::start([&](const Channel& own) {
            STRATA_REQUIRE(!readable(fd, 0));  // silent until it is asked for
            STRATA_REQUIRE_EQ(consumer.event_descriptor(), fd);
            STRATA_REQUIRE(readable(fd, forever));  // as not acknowledged either
            STRATA_REQUIRE_EQ(consumer.acknowledge_event(), 2U);
            STRATA_REQUIRE(!readable(fd, 0));
            own.send(1);
            STRATA_REQUIRE(readable(fd, forever));
            STRATA_REQUIRE_EQ(consumer.acknowledge_event(), 3U);
        });
        STRATA_REQUIRE_EQ(child.receive(), 1U);
        STRATA_REQUIRE(readable(fd, 0));  // the child's acknowledgement is not ours
        channel.send(1);
        STRATA_REQUIRE_EQ(child.join(), "");
        STRATA_REQUIRE(readable(fd, 0));
    });
    for (int i = 0; i < 2; ++i) {
        REQUIRE(parent.receive() == 1);
        oracle.publish(producer);
    }
    CHECK(parent.join() == "");
}
