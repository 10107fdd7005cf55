// SPDX-License-Identifier: Apache-2.0
// A consumer in a process that may not use membarrier(2): from the start, or from some moment on,
// as in programs that put themselves into a sandbox once they are set up.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/os.hpp"
#include "tests/support/process.hpp"
#include "tests/support/refused_call.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t layers = 12;

void publish_all(Producer& producer) {
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({1, i}, payload_of(i, producer.generation() + 1, 500));
    }
    batch.crystallize();
}

void check(const Snapshot& snapshot) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        const Layer layer = snapshot.find({1, i});
        STRATA_REQUIRE_EQ(std::string(layer.text()), payload_of(i, snapshot.generation(), 500));
    }
}

/// Threads that take, keep, copy and drop snapshots while the producer in another process publishes
/// and reclaims; `in_the_midst` is called by the main thread once all are at it, and they go on for
/// some generations more, up to `last` at least.
template <class Act>
void read_beside_producer(Consumer& consumer, Generation last, Act in_the_midst) {
    std::atomic<Generation> end{~Generation{0}};
    std::atomic<std::uint64_t> taken{0};
    std::atomic<bool> right{true};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            try {
                Snapshot kept = consumer.snapshot();
                for (std::uint64_t k = 0; kept.generation() < end.load(); ++k) {
                    Snapshot snapshot = consumer.snapshot();
                    check(snapshot);
                    if (k % 7 == 0) {
                        check(kept);
                        kept = k % 2 == 0 ? snapshot : std::move(snapshot);
                    }
                    ++taken;
                }
                check(kept);
            } catch (...) {
                right = false;
            }
        });
    }
    while (taken.load() < 1000 && right.load()) {
        std::this_thread::yield();
    }
    in_the_midst();
    end = std::max(last, consumer.snapshot().generation() + 50);
    for (std::thread& thread : threads) {
        thread.join();
    }
    STRATA_REQUIRE(right.load());
}

void test_reader(bool from_the_start) {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer);
    constexpr Generation last = scaled(2000, 200);
    Child reader = Child::start([&](const Channel& channel) {
        if (from_the_start) {
            refuse_call(SYS_membarrier);
        }
        Consumer consumer = store.attach();
        channel.send(1);
        read_beside_producer(consumer, last, [&] {
            if (!from_the_start) {
                refuse_call(SYS_membarrier);
            }
        });
        // The keeper lets the last idle pin go as well.
        channel.send(2);
        channel.receive_or_end();
    });
    CHECK(reader.receive() == 1);
    Channel& news = reader.channel();
    while (!news.ready()) {
        publish_all(producer);
        if (producer.generation() % 3 == 0) {
            producer.reclaim();
        }
    }
    CHECK(reader.receive() == 2);
    publish_all(producer);
    const auto deadline = std::chrono::steady_clock::now() + patience;
    while (producer.stats().limbo_bytes > 0 && std::chrono::steady_clock::now() < deadline) {
        producer.reclaim();
        std::this_thread::yield();
    }
    CHECK(producer.stats().limbo_bytes == 0);
    CHECK(readers(store.name(), store.base()).empty());
    news.hang_up();
    CHECK(reader.join() == "");
}

}  // namespace

TEST_CASE("a process that may not use membarrier reads what is right, and pins nothing for good") {
    test_reader(true);
}

TEST_CASE("membarrier refused while snapshots are taken and dropped: what is right, no abort") {
    test_reader(false);
}

TEST_CASE("a child forked by a process that has lost membarrier, or loses it by itself") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer);
    for (const bool before : {true, false}) {
        Child parent = Child::start([&](const Channel& channel) {
            Consumer consumer = store.attach();
            check(consumer.snapshot());
            const Snapshot held = consumer.snapshot();
            if (before) {
                refuse_call(SYS_membarrier);
            }
            Child child = Child::start([&](const Channel&) {
                if (!before) {
                    refuse_call(SYS_membarrier);
                }
                check(held);
                for (int i = 0; i < 3; ++i) {
                    check(consumer.snapshot());
                }
                channel.send(1);
                channel.receive();
                check(consumer.snapshot());
                check(held);
            });
            STRATA_REQUIRE_EQ(child.join(), "");
            check(held);
        });
        CHECK(parent.receive() == 1);
        publish_all(producer);
        producer.reclaim();
        publish_all(producer);
        parent.send(1);
        CHECK(parent.join() == "");
    }
}

TEST_CASE("a producer that loses membarrier goes on waking whoever waits") {
    const TempStore store;
    Child owner = Child::start([&](const Channel& channel) {
        Producer producer = store.create();
        for (int i = 0; i < 40; ++i) {
            publish_all(producer);  // it is worth a thread by now that finds out who waits
        }
        refuse_call(SYS_membarrier);
        channel.send(1);
        while (channel.receive_or_end()) {
            publish_all(producer);
        }
    });
    CHECK(owner.receive() == 1);
    Consumer consumer = store.attach();
    const Generation first = consumer.generation();
    for (Generation seen = first; seen < first + 3; ++seen) {
        std::thread waiter(
            [&] { CHECK(consumer.wait(seen, std::chrono::seconds(60)) == WaitResult::changed); });
        owner.send(1);
        waiter.join();
    }
    owner.channel().hang_up();
    CHECK(owner.join() == "");
}
