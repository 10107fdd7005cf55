// SPDX-License-Identifier: Apache-2.0
// The Crystallizer: changes from many threads, committed in groups, none lost, errors to their
// owner.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace std::chrono_literals;
using strata::test::code_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::scaled;
using strata::test::TempStore;

namespace {

constexpr IngestQueue both[] = {IngestQueue::mutex, IngestQueue::lockfree};

CrystallizerOptions with(IngestQueue queue) {
    CrystallizerOptions options;
    options.queue = queue;
    return options;
}

}  // namespace

TEST_CASE("a change that was handed in gets a generation in which it is visible") {
    for (const IngestQueue queue : both) {
        const TempStore store;
        Producer producer = store.create();
        Consumer consumer = store.attach();
        Crystallizer crystallizer(producer, with(queue));
        const IngestTicket ticket =
            crystallizer.put({1, 1}, "one", {.frequency = 3.5, .keywords = {"k"}});
        const Generation generation = ticket.wait();
        CHECK(generation == 2);
        CHECK(ticket.done());
        CHECK(ticket.result().generation == generation);
        const Snapshot snapshot = consumer.snapshot();
        CHECK(snapshot.generation() >= generation);
        CHECK(snapshot.get({1, 1}).text() == "one");
        CHECK(snapshot.get({1, 1}).frequency() == 3.5);
        CHECK(snapshot.get({1, 1}).keywords().size() == 1);
        CHECK(crystallizer.erase({1, 1}).wait() == 3);
        CHECK_FALSE(consumer.snapshot().find({1, 1}));
        CHECK(crystallizer.flush() == 3);  // nothing to do
        CHECK(crystallizer.stats().commits == 2);
    }
}

TEST_CASE("groups by count, by bytes and by time; flush waits for none of them") {
    for (const IngestQueue queue : both) {
        const TempStore store;
        Producer producer = store.create();
        CrystallizerOptions options = with(queue);
        options.max_delay = 1h;
        options.max_changes = 10;
        options.max_bytes = 5000;
        Crystallizer crystallizer(producer, options);
        std::vector<IngestTicket> tickets;
        for (std::uint64_t i = 0; i < 10; ++i) {  // by count
            tickets.push_back(crystallizer.put({1, i}, "x"));
        }
        for (const IngestTicket& ticket : tickets) {
            CHECK(ticket.wait() == 2);
        }
        tickets.clear();
        for (std::uint64_t i = 0; i < 5; ++i) {  // by bytes
            tickets.push_back(crystallizer.put({1, i}, payload_of(i, 0, 1000)));
        }
        for (const IngestTicket& ticket : tickets) {
            CHECK(ticket.wait() == 3);
        }
        const IngestTicket waiting = crystallizer.put({1, 1}, "y");
        CHECK_FALSE(waiting.wait_for(20ms));
        CHECK_FALSE(waiting.done());
        CHECK(crystallizer.flush() == 4);
        CHECK(waiting.done());
        CHECK(producer.stats().commits == 3);
    }
    const TempStore store;
    Producer producer = store.create();
    CrystallizerOptions options;
    options.max_delay = 30ms;
    Crystallizer crystallizer(producer, options);
    const auto start = std::chrono::steady_clock::now();
    const IngestTicket first = crystallizer.put({1, 1}, "a");
    const IngestTicket second = crystallizer.put({1, 2}, "b");
    CHECK(first.wait() == second.wait());  // by time
    CHECK(std::chrono::steady_clock::now() - start >= 29ms);
}

TEST_CASE("the last change of a layer wins, in the order of one thread") {
    for (const IngestQueue queue : both) {
        const TempStore store;
        Producer producer = store.create();
        Crystallizer crystallizer(producer, with(queue));
        for (int i = 0; i < 1000; ++i) {
            crystallizer.put({1, 1}, std::to_string(i));
        }
        crystallizer.flush();
        CHECK(store.attach().snapshot().get({1, 1}).text() == "999");
        crystallizer.put({1, 1}, "gone");
        crystallizer.erase({1, 1});
        crystallizer.flush();
        CHECK_FALSE(store.attach().snapshot().find({1, 1}));
    }
}

TEST_CASE("many threads hand in; everything arrives, also what was waiting at the stop") {
    for (const IngestQueue queue : both) {
        const TempStore store;
        Producer producer = store.create();
        CrystallizerOptions options = with(queue);
        options.queue_capacity = 64;  // they will have to wait
        options.max_delay = 100us;
        const auto each = scaled<std::uint64_t>(3000, 500);
        constexpr std::uint64_t count = 4;
        std::atomic<std::uint64_t> called{0};
        {
            Crystallizer crystallizer(producer, options);
            std::vector<std::thread> threads;
            for (std::uint64_t t = 0; t < count; ++t) {
                threads.emplace_back([&, t] {
                    for (std::uint64_t i = 0; i < each; ++i) {
                        crystallizer.put({1, t * 100'000 + i}, std::to_string(i), {},
                                         [&](LayerId, const IngestResult& result) {
                                             called.fetch_add(result.generation != 0 ? 1 : 0);
                                         });
                        if (i % 500 == 499) {
                            crystallizer.flush();
                        }
                    }
                });
            }
            for (std::thread& thread : threads) {
                thread.join();
            }
            crystallizer.stop();
            CHECK(crystallizer.stats().handed_in == count * each);
            CHECK(crystallizer.stats().published == count * each);
            CHECK(crystallizer.stats().blocked > 0);
            CHECK(code_of([&] { crystallizer.put({1, 1}, "late"); }) == "invalid_argument");
            CHECK(code_of([&] { crystallizer.flush(); }) == "invalid_argument");
            crystallizer.stop();
        }
        CHECK(called.load() == count * each);
        CHECK(store.attach().snapshot().layer_count() == count * each);
    }
}

TEST_CASE("an error reaches the one who handed the layer in, and nobody else") {
    for (const IngestQueue queue : both) {
        const TempStore store;
        ProducerOptions options = store.producer_options();
        options.memory_limit = 1_MiB;
        Producer producer = Producer::create(store.name(), options);
        CrystallizerOptions grouped = with(queue);
        grouped.max_delay = 1h;
        Crystallizer crystallizer(producer, grouped);
        const IngestTicket good = crystallizer.put({1, 1}, "good");
        const IngestTicket big = crystallizer.put({1, 2}, payload_of(1, 0, 3 << 20));
        const IngestTicket crooked = crystallizer.put({1, 3}, "x", {.alignment = 3});
        IngestResult told;
        crystallizer.put({1, 4}, payload_of(2, 0, 3 << 20), {},
                         [&](LayerId id, const IngestResult& result) {
                             CHECK(id == LayerId{1, 4});
                             told = result;
                         });
        const IngestTicket also_good = crystallizer.put({1, 5}, "good too");
        crystallizer.flush();
        CHECK(good.wait() > 1);
        CHECK(also_good.wait() > 1);
        CHECK(code_of([&] { big.wait(); }) == "limit_exceeded");
        CHECK(big.result().error->limit() == 1_MiB);
        CHECK(code_of([&] { crooked.wait(); }) == "invalid_argument");
        REQUIRE(told.error);
        CHECK(told.error->code() == Errc::limit_exceeded);
        CHECK(store.attach().snapshot().layer_count() == 2);
        CHECK(crystallizer.stats().failed == 3);
        CHECK(crystallizer.stats().published == 2);
    }
}

TEST_CASE("a full queue refuses who does not want to wait") {
    for (const IngestQueue queue : both) {
        const TempStore store;
        Producer producer = store.create();
        CrystallizerOptions options = with(queue);
        options.queue_capacity = 4;
        Crystallizer crystallizer(producer, options);
        // The committing thread is kept in a callback until told.
        std::mutex gate;
        std::atomic<bool> inside{false};
        gate.lock();
        crystallizer.put({1, 0}, "gate", {}, [&](LayerId, const IngestResult&) {
            inside.store(true);
            const std::lock_guard wait(gate);
        });
        while (!inside.load()) {
            std::this_thread::yield();
        }
        for (std::uint64_t i = 0; i < 4; ++i) {
            CHECK(crystallizer.try_put({1, i}, "x"));
        }
        CHECK_FALSE(crystallizer.try_put({1, 9}, "x"));
        CHECK_FALSE(crystallizer.try_erase({1, 9}));
        std::thread waiting([&] { CHECK(crystallizer.put({1, 5}, "waited").wait() > 1); });
        while (crystallizer.stats().blocked == 0 && !crystallizer.try_erase({1, 9})) {
            std::this_thread::sleep_for(1ms);
            if (crystallizer.stats().refused > 20) {
                break;  // it counts when it is through
            }
        }
        gate.unlock();
        waiting.join();
        crystallizer.flush();
        CHECK(crystallizer.stats().refused >= 2);
        CHECK(crystallizer.stats().blocked == 1);
        CHECK(store.attach().snapshot().find({1, 5}).text() == "waited");
    }
}

TEST_CASE("options that cannot work are refused") {
    const TempStore store;
    Producer producer = store.create();
    CrystallizerOptions options;
    options.queue_capacity = 0;
    CHECK(code_of([&] { Crystallizer(producer, options); }) == "invalid_argument");
    options.queue_capacity = 65535;
    CHECK(code_of([&] { Crystallizer(producer, options); }) == "invalid_argument");
    options = {};
    options.max_changes = 0;
    CHECK(code_of([&] { Crystallizer(producer, options); }) == "invalid_argument");
}
