// SPDX-License-Identifier: Apache-2.0
// The Crystallizer: changes from many threads, committed in groups, none lost, errors to their
// owner.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace std::chrono_literals;
using strata::test::Channel;
using strata::test::Child;
using strata::test::code_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::scaled;
using strata::test::TempStore;

TEST_CASE("a submitted change gets a generation in which it is visible") {
    const TempStore store;
    Producer producer = store.create();
    Consumer consumer = store.attach();
    Crystallizer crystallizer(producer);
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

TEST_CASE("a change takes its own copy of everything along: options, keywords, callback") {
    const TempStore store;
    Producer producer = store.create();
    CrystallizerOptions options;
    options.max_delay = 1h;  // not before the flush
    Crystallizer crystallizer(producer, options);
    std::vector<LayerId> called;
    const auto callback = [&](LayerId id, const IngestResult& result) {
        CHECK(result.generation == 4);
        called.push_back(id);
    };
    publish(producer, {1, 3}, "to go");
    publish(producer, {1, 4}, "to go as well");
    {
        double value = 3.25;
        std::string keyword = "a word that is longer than what a string holds in itself";
        LayerOptions put{.frequency = 1.5,
                         .keywords = {keyword},
                         .alignment = 4096,
                         .type_tag = type_tag<double>()};
        const auto bytes = std::as_bytes(std::span(&value, 1));
        crystallizer.put({1, 1}, bytes, put, callback);
        CHECK(crystallizer.try_put({1, 2}, bytes, put, callback));
        crystallizer.erase({1, 3}, callback);
        CHECK(crystallizer.try_erase({1, 4}, callback));
        value = 0;
        keyword.assign(keyword.size(), 'x');
    }
    CHECK(crystallizer.flush() == 4);
    CHECK(called == std::vector<LayerId>{{1, 1}, {1, 2}, {1, 3}, {1, 4}});
    const Snapshot snapshot = store.attach().snapshot();
    CHECK(snapshot.layer_count() == 2);
    for (const std::uint64_t number : {1U, 2U}) {
        const Layer layer = snapshot.get({1, number});
        CHECK(layer.type_tag() == type_tag<double>());
        CHECK(layer.as<double>() == 3.25);
        CHECK(layer.frequency() == 1.5);
        REQUIRE(layer.keywords().size() == 1);
        CHECK(*layer.keywords().begin() ==
              "a word that is longer than what a string holds in itself");
        CHECK(reinterpret_cast<std::uintptr_t>(layer.data()) % 4096 == 0);
    }
}

TEST_CASE("groups by count and by bytes; flush waits for neither") {
    const TempStore store;
    Producer producer = store.create();
    CrystallizerOptions options;
    options.max_delay = std::chrono::microseconds::max();  // never by time
    options.max_changes = 10;
    options.max_bytes = 5000;
    Crystallizer crystallizer(producer, options);
    std::vector<IngestTicket> tickets;
    for (std::uint64_t i = 0; i < 10; ++i) {  // by count
        tickets.push_back(crystallizer.put({1, i}, "x"));
        const bool done = tickets.back().wait_for(std::chrono::nanoseconds::min()).has_value();
        CHECK((!done || i == 9));
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

TEST_CASE("groups by time") {
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
    const TempStore store;
    Producer producer = store.create();
    Crystallizer crystallizer(producer);
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

TEST_CASE("many threads submit; everything arrives, also what was waiting at the stop") {
    const TempStore store;
    Producer producer = store.create();
    CrystallizerOptions options;
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
        CHECK(crystallizer.stats().submitted == count * each);
        CHECK(crystallizer.stats().published == count * each);
        CHECK(crystallizer.stats().blocked > 0);
        CHECK(code_of([&] { crystallizer.put({1, 1}, "late"); }) == "invalid_argument");
        CHECK(code_of([&] { crystallizer.flush(); }) == "invalid_argument");
        crystallizer.stop();
    }
    CHECK(called.load() == count * each);
    CHECK(store.attach().snapshot().layer_count() == count * each);
}

TEST_CASE("an error reaches the one who submitted the layer, and nobody else") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    Producer producer = Producer::create(store.name(), options);
    CrystallizerOptions grouped;
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

TEST_CASE("a full queue refuses who does not want to wait") {
    const TempStore store;
    Producer producer = store.create();
    CrystallizerOptions options;
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

TEST_CASE("a callback that would wait for its own thread is refused, whatever it waits for") {
    const TempStore store;
    Producer producer = store.create();
    CrystallizerOptions options;
    options.queue_capacity = 2;
    Crystallizer crystallizer(producer, options);
    std::vector<std::string> codes;
    IngestTicket later;
    const IngestTicket ticket =
        crystallizer.put({1, 1}, "one", {}, [&](LayerId, const IngestResult&) {
            codes.push_back(code_of([&] { crystallizer.flush(); }));
            codes.push_back(code_of([&] { crystallizer.stop(); }));
            later = crystallizer.put({1, 2}, "two");
            codes.push_back(code_of([&] { later.wait(); }));
            codes.push_back(code_of([&] {
                for (std::uint64_t i = 0; i < 3; ++i)
                    crystallizer.put({1, 3}, "full");
            }));
        });
    CHECK(ticket.wait() == 2);
    CHECK(later.wait() == 3);
    CHECK(codes == std::vector<std::string>(4, "would_deadlock"));
    CHECK(crystallizer.flush() >= 3);
    // Another crystallizer's callback may wait for this one.
    Crystallizer other(producer, options);
    std::string code;
    other
        .put({2, 1}, "x", {},
             [&](LayerId, const IngestResult&) {
                 code = code_of([&] { crystallizer.put({1, 4}, "y").wait(); });
             })
        .wait();
    CHECK(code == "no error");
}

TEST_CASE("a crystallizer in a forked child refuses, and its end is nothing to the parent") {
    const TempStore store;
    Producer producer = store.create();
    auto crystallizer = std::make_unique<Crystallizer>(producer);
    crystallizer->put({1, 1}, "one").wait();  // its thread sleeps, or will
    Child child = Child::start([&](const Channel&) {
        const std::string refused = "wrong_process";
        STRATA_REQUIRE_EQ(code_of([&] { crystallizer->put({1, 2}, "two"); }), refused);
        STRATA_REQUIRE_EQ(code_of([&] { crystallizer->flush(); }), refused);
        STRATA_REQUIRE_EQ(code_of([&] { crystallizer->stop(); }), refused);
        crystallizer.reset();
    });
    CHECK(child.join() == "");
    CHECK(crystallizer->put({1, 2}, "two").wait() == 3);
}
