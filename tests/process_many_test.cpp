// SPDX-License-Identifier: Apache-2.0
// Many consumers: one after the other without a leak, and hundreds at once.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <sys/resource.h>
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

constexpr Oracle oracle{.layers = 200, .max_payload = 300};

std::uint64_t entries(const char* directory) {
    return static_cast<std::uint64_t>(
        std::distance(std::filesystem::directory_iterator(directory), {}));
}

/// What a process could leak besides private memory.
struct Holdings {
    std::uint64_t descriptors = 0;
    std::uint64_t store_mappings = 0;
    std::uint64_t threads = 0;
    std::uint64_t resident_kib = 0;

    static Holdings now() {
        Holdings result{.descriptors = entries("/proc/self/fd"),
                        .threads = entries("/proc/self/task")};
        std::ifstream maps("/proc/self/maps");
        for (std::string line; std::getline(maps, line);) {
            result.store_mappings += line.find(".mmap") != std::string::npos ? 1 : 0;
        }
        std::ifstream status("/proc/self/status");
        for (std::string line; std::getline(status, line);) {
            if (line.starts_with("VmRSS:")) {
                result.resident_kib = std::stoull(line.substr(6));
            }
        }
        return result;
    }
};

// The ways in which a consumer may have lived when it goes.
void attach_and_detach(const TempStore& temp, std::uint64_t manner) {
    ConsumerOptions options = temp.consumer_options();
    options.keep_idle_pin = manner % 2 == 0;
    Consumer consumer = Consumer::attach(temp.name(), options);
    if (manner % 4 == 0) {
        return;
    }
    Snapshot snapshot = consumer.snapshot();
    STRATA_REQUIRE(snapshot.find(oracle.id(manner % oracle.layers)) || true);
    if (manner % 8 == 2) {
        snapshot = {};
        snapshot = consumer.snapshot();  // the keeper of idle pins starts
        snapshot = {};
        snapshot = consumer.snapshot();
    }
    if (manner % 64 == 3) {
        (void)consumer.event_descriptor();
    }
    if (manner % 16 == 5) {
        Consumer other = std::move(consumer);
        other.reattach();
        snapshot = other.snapshot();
    }
    if (manner % 16 == 6) {
        // The snapshot outlives the consumer.
        { const Consumer gone = std::move(consumer); }
        STRATA_REQUIRE_EQ(oracle.mismatch(snapshot), "");
    }
}

void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

TEST_CASE("attaching and detaching 100,000 times leaks no descriptor, mapping, thread or pin") {
    const TempStore temp;
    Producer producer = temp.create();
    while (producer.generation() < 50) {
        oracle.publish(producer);
    }
    constexpr std::uint64_t cycles = scaled(100'000, 1'000);
    Child child = Child::start([&](const Channel&) {
        for (std::uint64_t i = 0; i < 64; ++i) {
            attach_and_detach(temp, i);
        }
        const Holdings before = Holdings::now();
        for (std::uint64_t i = 0; i < cycles; ++i) {
            attach_and_detach(temp, i);
        }
        const Holdings after = Holdings::now();
        STRATA_REQUIRE_EQ(after.descriptors, before.descriptors);
        STRATA_REQUIRE_EQ(after.store_mappings, before.store_mappings);
        STRATA_REQUIRE_EQ(after.threads, before.threads);
        if (!sanitized) {  // which keep freed memory aside for a while
            STRATA_REQUIRE(after.resident_kib <= before.resident_kib + 1024);
        }
    });
    // The producer does not rest meanwhile.
    while (!child.channel().ready()) {
        for (int i = 0; i < 50; ++i) {
            oracle.publish(producer);
        }
    }
    CHECK(child.join() == "");
    CHECK(readers(temp.name(), temp.base()).empty());
    producer.reclaim();
    CHECK(producer.stats().limbo_bytes == 0);
}

TEST_CASE("failed attachments leak nothing") {
    const TempStore temp;
    const std::filesystem::path store = temp.path();
    Child child = Child::start([&](const Channel&) {
        { Producer producer = temp.create(); }
        std::filesystem::create_directory(temp.base() / "empty");
        std::filesystem::copy(store, temp.base() / "short");
        std::filesystem::resize_file(temp.base() / "short" / "control.mmap", 100);
        const auto attach = [&](const char* name) {
            return code_of([&] { (void)Consumer::attach(name, temp.consumer_options()); });
        };
        const auto all = [&] {
            STRATA_REQUIRE_EQ(attach("none"), "store_not_found");
            STRATA_REQUIRE_EQ(attach("empty"), "not_a_store");
            STRATA_REQUIRE_EQ(attach("short"), "truncated");
            STRATA_REQUIRE_EQ(attach("../store"), "invalid_name");
        };
        all();
        const Holdings before = Holdings::now();
        for (int i = 0; i < 1000; ++i) {
            all();
        }
        const Holdings after = Holdings::now();
        STRATA_REQUIRE_EQ(after.descriptors, before.descriptors);
        STRATA_REQUIRE_EQ(after.store_mappings, before.store_mappings);
        STRATA_REQUIRE_EQ(after.threads, before.threads);
    });
    CHECK(child.join() == "");
}

TEST_CASE("a thousand processes hold snapshots at once, each listed, none disturbed") {
    const TempStore temp;
    Producer producer = temp.create();
    while (producer.generation() < 50) {
        oracle.publish(producer);
    }
    constexpr std::size_t count = scaled(1'000, 50);
    raise_descriptor_limit();  // two for each
    std::vector<Child> children;
    std::set<std::int64_t> pids;
    for (std::size_t i = 0; i < count; ++i) {
        children.push_back(Child::start([&](const Channel& channel) {
            Consumer consumer = temp.attach();
            const Snapshot held = consumer.snapshot();
            channel.send(held.generation());
            channel.receive();
            STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
            STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
            channel.send(consumer.generation());
            channel.receive_or_end();
        }));
        pids.insert(children.back().pid());
    }
    for (Child& child : children) {
        CHECK(child.receive() >= 50);
        oracle.publish(producer);  // so that they pin different epochs
        producer.reclaim();
    }
    std::set<std::int64_t> pinning;
    for (const ReaderInfo& reader : readers(temp.name(), temp.base())) {
        pinning.insert(reader.pid);
    }
    CHECK(pinning == pids);
    for (int i = 0; i < 300; ++i) {
        oracle.publish(producer);
    }
    producer.reclaim();
    for (Child& child : children) {
        child.send(1);
    }
    for (Child& child : children) {
        CHECK(child.receive() == producer.generation());
    }
    // Half of them end, half are killed.
    for (std::size_t i = 0; i < count; ++i) {
        if (i % 2 == 0) {
            children[i].channel().hang_up();
            CHECK(children[i].join() == "");
        } else {
            CHECK(children[i].kill_and_join() == "");
        }
    }
    CHECK(readers(temp.name(), temp.base()).empty());
    producer.reclaim();
    CHECK(producer.stats().limbo_bytes == 0);
}

TEST_CASE("two hundred consumers in one process pin and release independently") {
    const TempStore temp;
    Producer producer = temp.create();
    Child child = Child::start([&](const Channel& channel) {
        constexpr std::size_t count = scaled(200, 50);
        std::vector<Consumer> consumers;
        std::vector<Snapshot> held;
        for (std::size_t i = 0; i < count; ++i) {
            consumers.push_back(temp.attach());
            channel.send(1);
            channel.receive();  // the producer has published
            held.push_back(consumers.back().snapshot());
        }
        // Every other one releases; the rest still read what they took.
        for (std::size_t i = 0; i < count; i += 2) {
            held[i] = {};
        }
        channel.send(2);
        channel.receive();
        for (std::size_t i = 1; i < count; i += 2) {
            STRATA_REQUIRE_EQ(oracle.mismatch(held[i]), "");
        }
        held.clear();
        for (Consumer& consumer : consumers) {
            STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
        }
        consumers.clear();
        channel.send(3);
        channel.receive();
    });
    while (child.receive() == 1) {
        oracle.publish(producer);
        producer.reclaim();
        child.send(1);
    }
    for (int i = 0; i < 500; ++i) {
        oracle.publish(producer);
        producer.reclaim();
    }
    CHECK(readers(temp.name(), temp.base()).size() >= scaled(100, 25));
    child.send(1);
    CHECK(child.receive() == 3);
    CHECK(readers(temp.name(), temp.base()).empty());
    producer.reclaim();
    CHECK(producer.stats().limbo_bytes == 0);
    child.send(1);
    CHECK(child.join() == "");
}
