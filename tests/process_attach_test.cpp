// SPDX-License-Identifier: Apache-2.0
// Who comes first, who comes second, and what becomes of a store that is replaced: between
// processes.
#include <csignal>
#include <map>
#include <memory>
#include <poll.h>
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

constexpr Oracle oracle;

Child helper(const std::string& role, const TempStore& temp) {
    return Child::execute(STRATA_PROCESS_HELPER, {role, temp.base().string()});
}

bool becomes_readable(int fd) {
    pollfd item{.fd = fd, .events = POLLIN, .revents = 0};
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
    return ::poll(&item, 1, static_cast<int>(limit.count())) == 1;
}

bool is_readable(int fd) {
    pollfd item{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&item, 1, 0) == 1;
}

}  // namespace

TEST_CASE("a consumer program that starts first waits for the store and then reads it") {
    const TempStore temp;
    Child consumer = helper("consume", temp);
    REQUIRE(consumer.receive() == 0);  // it looked, and there was no store

    Child producer = helper("produce", temp);
    CHECK(producer.receive() == 1);
    producer.send(20);
    CHECK(producer.receive() == 21);

    consumer.send(21);
    CHECK(consumer.receive() == 21);
    consumer.channel().hang_up();
    producer.channel().hang_up();
    CHECK(consumer.join() == "");
    CHECK(producer.join() == "");
}

TEST_CASE("a consumer program that starts second finds what was published before") {
    const TempStore temp;
    Child producer = helper("produce", temp);
    CHECK(producer.receive() == 1);
    producer.send(20);
    CHECK(producer.receive() == 21);

    Child consumer = helper("consume", temp);
    CHECK(consumer.receive() == 1);
    consumer.send(21);
    CHECK(consumer.receive() == 21);

    // It sleeps until the next generation comes.
    consumer.send(22);
    producer.send(1);
    CHECK(producer.receive() == 22);
    CHECK(consumer.receive() == 22);

    // What is published stays when its producer has gone.
    producer.channel().hang_up();
    CHECK(producer.join() == "");
    Child late = helper("consume", temp);
    CHECK(late.receive() == 1);
    late.send(22);
    CHECK(late.receive() == 22);
    late.channel().hang_up();
    consumer.channel().hang_up();
    CHECK(consumer.join() == "");
    CHECK(late.join() == "");
}

TEST_CASE("a forked consumer waits for the store of its parent") {
    const TempStore temp;
    Child child = Child::start([&](const Channel& channel) {
        ConsumerOptions options = temp.consumer_options();
        STRATA_REQUIRE_EQ(code_of([&] { (void)temp.attach(); }), "store_not_found");
        channel.send(1);
        options.wait_for_store = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
        Consumer consumer = Consumer::attach("store", options);
        while (consumer.generation() < 11) {
            STRATA_REQUIRE_EQ(consumer.wait(consumer.generation(), patience), WaitResult::changed);
        }
        STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
    });
    REQUIRE(child.receive() == 1);
    Producer producer = temp.create();
    while (producer.generation() < 11) {
        oracle.publish(producer);
    }
    CHECK(child.join() == "");
}

TEST_CASE("a second producer is refused and told the pid of the first") {
    const TempStore temp;
    Child first = helper("produce", temp);
    REQUIRE(first.receive() == 1);
    const std::string pid = "process " + std::to_string(first.pid()) + " ";

    const auto refused = [&](auto&& action) {
        const auto error = error_of(action);
        REQUIRE(error);
        CHECK(error->code() == Errc::producer_active);
        CHECK_MESSAGE(std::string(error->what()).find(pid) != std::string::npos, error->what());
    };
    refused([&] { (void)temp.open(); });
    refused([&] { (void)Producer::open_or_create("store", temp.producer_options()); });
    refused([&] {
        ProducerOptions replacing = temp.producer_options();
        replacing.replace = true;
        (void)Producer::create("store", replacing);
    });
    refused([&] { remove_store("store", temp.base()); });

    // The refusals have not disturbed it.
    first.send(5);
    CHECK(first.receive() == 6);
    first.channel().hang_up();
    CHECK(first.join() == "");
    Producer second = temp.open();
    CHECK(second.generation() == 6);
}

TEST_CASE("of many producers that start at once exactly one gets the store") {
    const TempStore temp;
    constexpr int racers = 8;
    std::vector<Child> children;
    for (int i = 0; i < racers; ++i) {
        children.push_back(Child::start([&](const Channel& channel) {
            channel.receive();
            try {
                Producer producer = Producer::open_or_create("store", temp.producer_options());
                oracle.publish(producer);
                channel.send(1);
                channel.receive_or_end();  // holds the store until all have tried
            } catch (const Error& error) {
                STRATA_REQUIRE_EQ(error.code(), Errc::producer_active);
                channel.send(0);
            }
        }));
    }
    for (Child& child : children) {
        child.send(0);
    }
    std::uint64_t winners = 0;
    for (Child& child : children) {
        winners += child.receive();
    }
    CHECK(winners == 1);
    for (Child& child : children) {
        child.channel().hang_up();
        CHECK(child.join() == "");
    }
    CHECK(temp.open().generation() == 2);
}

TEST_CASE("a consumer's mapping cannot be written to, nor made writable") {
    const TempStore temp;
    Producer producer = temp.create();
    oracle.publish(producer);
    Child child = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        const Snapshot snapshot = consumer.snapshot();
        const Layer layer = *snapshot.dimension(1).begin();
        channel.send(1);
        // The write that must not succeed.
        *const_cast<volatile std::byte*>(layer.data()) = std::byte{1};
    });
    CHECK(child.receive() == 1);
    CHECK(child.join_killed(SIGSEGV) == "");
}

TEST_CASE("a replaced store: its consumers are told, keep their snapshots, and attach to the new") {
    const TempStore temp;
    auto producer = std::make_unique<Producer>(temp.create());
    while (producer->generation() < 30) {
        oracle.publish(*producer);
    }
    const auto body = [&](const Channel& channel) {
        Consumer consumer = temp.attach();
        const Snapshot old = consumer.snapshot();
        STRATA_REQUIRE_EQ(old.generation(), 30U);
        STRATA_REQUIRE_EQ(oracle.mismatch(old), "");  // maps all dimensions
        const int event = consumer.event_descriptor();
        channel.send(1);
        // Asleep when the producer ends. A program that has seen that is told again of the new
        // store.
        STRATA_REQUIRE_EQ(consumer.wait(30, patience), WaitResult::producer_gone);
        STRATA_REQUIRE(becomes_readable(event));
        consumer.acknowledge_event();
        STRATA_REQUIRE(!is_readable(event));
        STRATA_REQUIRE(!consumer.store_replaced());
        channel.send(2);
        STRATA_REQUIRE(becomes_readable(event));
        STRATA_REQUIRE(consumer.store_replaced());
        STRATA_REQUIRE_EQ(consumer.wait(30, patience), WaitResult::store_replaced);
        STRATA_REQUIRE_EQ(oracle.mismatch(old), "");

        consumer.reattach();
        STRATA_REQUIRE(!consumer.store_replaced());
        while (consumer.generation() < 3) {
            STRATA_REQUIRE_EQ(consumer.wait(consumer.generation(), patience), WaitResult::changed);
        }
        const Snapshot fresh = consumer.snapshot();
        STRATA_REQUIRE_EQ(fresh.generation(), 3U);
        STRATA_REQUIRE_EQ(oracle.mismatch(fresh), "");
        STRATA_REQUIRE_EQ(oracle.mismatch(old), "");
        channel.send(3);
        STRATA_REQUIRE_EQ(consumer.wait(3, patience), WaitResult::changed);
    };
    std::vector<Child> consumers;
    for (int i = 0; i < 3; ++i) {
        consumers.push_back(Child::start(body));
        REQUIRE(consumers.back().receive() == 1);
    }
    producer.reset();
    for (Child& consumer : consumers) {
        CHECK(consumer.receive() == 2);
    }
    ProducerOptions options = temp.producer_options();
    options.replace = true;
    producer = std::make_unique<Producer>(Producer::create("store", options));
    oracle.publish(*producer);
    oracle.publish(*producer);
    for (Child& consumer : consumers) {
        CHECK(consumer.receive() == 3);
    }
    oracle.publish(*producer);
    for (Child& consumer : consumers) {
        CHECK(consumer.join() == "");
    }
}

TEST_CASE("a removed store wakes who waits for it") {
    const TempStore temp;
    {
        Producer producer = temp.create();
        oracle.publish(producer);
    }
    Child child = Child::start([&](const Channel& channel) {
        Consumer consumer = temp.attach();
        const Snapshot old = consumer.snapshot();
        STRATA_REQUIRE_EQ(oracle.mismatch(old), "");  // maps all dimensions
        channel.send(1);
        channel.receive();
        STRATA_REQUIRE_EQ(consumer.wait(2, patience), WaitResult::store_replaced);
        STRATA_REQUIRE_EQ(oracle.mismatch(old), "");
        STRATA_REQUIRE_EQ(code_of([&] { consumer.reattach(); }), "store_not_found");
        STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
    });
    REQUIRE(child.receive() == 1);
    remove_store("store", temp.base());
    child.send(1);
    CHECK(child.join() == "");
}

TEST_CASE("attaching and opening while the store is replaced and removed: whole or not there") {
    const TempStore temp;
    Child owner = Child::start([&](const Channel& channel) {
        ProducerOptions options = temp.producer_options();
        options.replace = true;
        channel.send(1);
        for (std::uint64_t i = 0; !channel.ready(); ++i) {
            try {
                (void)Producer::create(temp.name(), options);
                if (i % 2 == 0) {
                    remove_store(temp.name(), temp.base());
                }
            } catch (const Error& error) {
                // The other process was just opening it.
                STRATA_REQUIRE(error.code() == Errc::producer_active ||
                               error.code() == Errc::store_not_found ||
                               error.code() == Errc::store_exists);
            }
        }
        channel.send(2);
    });
    REQUIRE(owner.receive() == 1);
    std::map<std::string, int> outcomes;
    for (int i = 0; i < scaled(20'000, 1'000) || outcomes["attached"] < 100; ++i) {
        const std::string code = code_of([&] { temp.attach(); });
        ++outcomes[code == "no error" ? "attached" : code];
        if (i % 8 == 0) {
            const std::string opened = code_of([&] { temp.open(); });
            ++outcomes[opened == "no error" ? "opened" : opened];
        }
    }
    owner.send(0);
    CHECK(owner.receive() == 2);
    CHECK(owner.join() == "");
    outcomes.erase("attached");
    outcomes.erase("opened");
    outcomes.erase("store_not_found");
    outcomes.erase("producer_active");
    for (const auto& [code, count] : outcomes) {
        FAIL_CHECK(count << " times " << code);
    }
}
