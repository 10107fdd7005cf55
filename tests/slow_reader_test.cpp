// SPDX-License-Identifier: Apache-2.0
// Readers that hold on to old snapshots: told of, waited for, or left behind.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace std::chrono_literals;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::payload_of;
using strata::test::publish;
using strata::test::TempStore;

namespace {

constexpr std::size_t layer_bytes = 20'000;

ProducerOptions small(const TempStore& store) {
    ProducerOptions options = store.producer_options();
    options.memory_limit = 4_MiB;
    return options;
}

void fill(Producer& producer, Dimension dimension, std::uint64_t layers, std::uint64_t version) {
    Batch batch = producer.batch();
    for (std::uint64_t i = 0; i < layers; ++i) {
        batch.put({dimension, i}, payload_of(i, version, layer_bytes));
    }
    batch.crystallize();
}

/// The control file, for asking the kernel about its locks.
class ControlFile {
public:
    explicit ControlFile(const TempStore& store)
        : fd_(::open(store.file("control.mmap").c_str(), O_RDONLY | O_CLOEXEC)) {
        REQUIRE(fd_ >= 0);
    }
    ControlFile(const ControlFile&) = delete;
    ControlFile& operator=(const ControlFile&) = delete;
    ~ControlFile() { ::close(fd_); }

    /// As /proc/locks shows it.
    std::string inode() const {
        struct stat status {};
        REQUIRE(::fstat(fd_, &status) == 0);
        return ":" + std::to_string(status.st_ino) + " ";
    }
    /// Whether a reader could be refused a pin, of whatever epoch.
    bool locked_for_readers() const {
        struct flock probe {};
        probe.l_type = F_RDLCK;
        probe.l_whence = SEEK_SET;
        probe.l_len = off_t{1} << 61;  // behind it is the producer's sign of life
        REQUIRE(::fcntl(fd_, F_OFD_GETLK, &probe) == 0);
        return probe.l_type != F_UNLCK;
    }

private:
    int fd_;
};

void check(const Snapshot& snapshot, Dimension dimension, std::uint64_t layers,
           std::uint64_t version) {
    for (std::uint64_t i = 0; i < layers; ++i) {
        const Layer layer = snapshot.find({dimension, i});
        REQUIRE(layer);
        CHECK(layer.text() == payload_of(i, version, layer_bytes));
        CHECK(layer.verify());
    }
}

}  // namespace

TEST_CASE("a slow reader is reported once, with pid and what it holds") {
    const TempStore store;
    std::vector<SlowReader> told;
    ProducerOptions options = small(store);
    options.slow_readers.max_held_bytes = 100'000;
    options.slow_readers.on_slow_reader = [&](const SlowReader& reader) { told.push_back(reader); };
    Producer producer = Producer::create(store.name(), options);
    fill(producer, 1, 10, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    publish(producer, {1, 0}, payload_of(0, 1, layer_bytes));
    producer.reclaim();
    CHECK(told.empty());  // holds 20 kB
    fill(producer, 1, 10, 2);
    producer.reclaim();
    REQUIRE(told.size() == 1);
    CHECK(told[0].pid == ::getpid());
    CHECK(told[0].held_bytes >= 9 * layer_bytes);
    CHECK(told[0].epochs_behind >= 1);
    fill(producer, 1, 10, 3);
    producer.reclaim();
    CHECK(told.size() == 1);
    check(*old, 1, 10, 0);

    // Another pin is another story.
    old = consumer.snapshot();
    for (std::uint64_t version = 4; version < 7; ++version) {
        fill(producer, 1, 10, version);
        producer.reclaim();
    }
    CHECK(told.size() == 2);
}

TEST_CASE("a slow reader by age and by epochs; the callback may call the producer") {
    const TempStore store;
    std::vector<SlowReader> told;
    Producer* self = nullptr;
    ProducerOptions options = small(store);
    options.slow_readers.max_age = 5ms;
    options.slow_readers.on_slow_reader = [&](const SlowReader& reader) {
        told.push_back(reader);
        self->stats();
    };
    Producer producer = Producer::create(store.name(), options);
    self = &producer;
    fill(producer, 1, 2, 0);
    Consumer consumer = store.attach();
    const Snapshot old = consumer.snapshot();
    const auto deadline = std::chrono::steady_clock::now() + strata::test::patience;
    while (told.empty() && std::chrono::steady_clock::now() < deadline) {
        publish(producer, {1, 1}, "small");  // far below the threshold of reclaiming
        std::this_thread::sleep_for(1ms);
    }
    REQUIRE(told.size() == 1);
    CHECK(told[0].age >= 5ms);

    const TempStore other;
    ProducerOptions by_epochs = small(other);
    by_epochs.slow_readers.max_epochs = 3;
    by_epochs.slow_readers.on_slow_reader = options.slow_readers.on_slow_reader;
    Producer second = Producer::create(other.name(), by_epochs);
    fill(second, 1, 2, 0);
    Consumer second_consumer = other.attach();
    const Snapshot held = second_consumer.snapshot();
    told.clear();
    for (std::uint64_t i = 0; i < 5; ++i) {
        publish(second, {1, 1}, std::to_string(i));
        second.reclaim();
    }
    REQUIRE(told.size() == 1);
    CHECK(told[0].epochs_behind == 3);
}

TEST_CASE("the default: the commit fails, names who holds back, and works when they let go") {
    const TempStore store;
    Producer producer = Producer::create(store.name(), small(store));
    fill(producer, 1, 80, 0);  // 1.7 MB
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill(producer, 1, 80, 1);
    const auto error = error_of([&] { fill(producer, 1, 80, 2); });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->detail().find(std::to_string(::getpid())) != std::string::npos);
    check(*old, 1, 80, 0);
    old.reset();
    fill(producer, 1, 80, 2);
    check(consumer.snapshot(), 1, 80, 2);
}

TEST_CASE("waiting: the commit goes on as soon as the reader lets go, and fails in time if not") {
    const TempStore store;
    ProducerOptions options = small(store);
    options.slow_readers.policy = SlowReaderPolicy::wait;
    options.slow_readers.wait = 60s;
    Producer producer = Producer::create(store.name(), options);
    fill(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill(producer, 1, 80, 1);
    std::atomic<bool> let_go{false};
    std::thread reader([&] {
        std::this_thread::sleep_for(50ms);
        let_go.store(true);
        old.reset();
    });
    const auto start = std::chrono::steady_clock::now();
    fill(producer, 1, 80, 2);
    CHECK(let_go.load());
    CHECK(std::chrono::steady_clock::now() - start < 30s);
    reader.join();
    check(consumer.snapshot(), 1, 80, 2);
}

TEST_CASE("waiting is in nobody's way: no byte is locked exclusively, others take new snapshots") {
    const TempStore store;
    ProducerOptions options = small(store);
    options.slow_readers.policy = SlowReaderPolicy::wait;
    options.slow_readers.wait = 60s;
    Producer producer = Producer::create(store.name(), options);
    fill(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill(producer, 1, 80, 1);
    const ControlFile control(store);
    std::thread writer([&] { fill(producer, 1, 80, 2); });
    // A request that sleeps is listed behind "->".
    const auto waits = [&] {
        std::ifstream locks("/proc/locks");
        for (std::string line; std::getline(locks, line);) {
            if (line.find("->") != std::string::npos &&
                line.find(control.inode()) != std::string::npos) {
                return true;
            }
        }
        return false;
    };
    const auto deadline = std::chrono::steady_clock::now() + strata::test::patience;
    while (!waits() && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(1ms);
    }
    CHECK(waits());
    Consumer other = store.attach();
    Snapshot fresh = other.snapshot();
    for (int i = 0; i < 200; ++i) {
        // Only an exclusive lock is in the way of a shared one.
        CHECK_FALSE(control.locked_for_readers());
        fresh = Snapshot();
        fresh = store.attach().snapshot();
        REQUIRE(fresh.generation() == 3);
    }
    check(fresh, 1, 3, 1);
    old.reset();
    writer.join();
    CHECK_FALSE(control.locked_for_readers());
    check(fresh, 1, 80, 1);
    check(consumer.snapshot(), 1, 80, 2);
}

TEST_CASE("waiting has an end") {
    const TempStore store;
    ProducerOptions options = small(store);
    options.slow_readers.policy = SlowReaderPolicy::wait;
    options.slow_readers.wait = 50ms;
    Producer producer = Producer::create(store.name(), options);
    fill(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill(producer, 1, 80, 1);
    const auto start = std::chrono::steady_clock::now();
    CHECK(code_of([&] { fill(producer, 1, 80, 2); }) == "limit_exceeded");
    CHECK(std::chrono::steady_clock::now() - start >= 50ms);
    check(*old, 1, 80, 0);
    // The threads that wait for the pin are left alone; the producer may go before the reader.
    { const Producer gone = std::move(producer); }
    check(*old, 1, 80, 0);
}

TEST_CASE("moving on: a full region gets a fresh file, and the slow reader keeps its snapshot") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::move_on;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.name = "Moved", .max_bytes = 4_MiB});
    Batch first = producer.batch();
    for (std::uint64_t i = 0; i < 80; ++i) {
        first.put({1, i}, payload_of(i, 0, layer_bytes),
                  {.frequency = 1.5, .keywords = {"k"}, .alignment = i % 2 == 0 ? 64U : 4096U});
    }
    first.crystallize();
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill(producer, 1, 40, 1);  // half of it: the other half is shared with the old snapshot
    const Snapshot before = consumer.snapshot();
    const Generation kept = before.get({1, 79}).generation();
    CHECK(statistics(producer).relocations == 0);
    for (std::uint64_t version = 2; version < 12; ++version) {
        fill(producer, 1, 40, version);
        CHECK(store.allocated_bytes() <= options.memory_limit);
    }
    StoreStatistics s = statistics(producer);
    CHECK(s.relocations >= 1);
    CHECK(s.regions.at(0).name == "Moved");
    CHECK(s.regions.at(0).max_bytes == 4_MiB);
    CHECK(s.retired_file_bytes > 0);
    CHECK(s.committed_bytes == store.allocated_bytes());
    CHECK(store.region_files() >= 2);
    for (std::uint64_t i = 0; i < 80; ++i) {
        CHECK(old->get({1, i}).text() == payload_of(i, 0, layer_bytes));
    }
    const Snapshot now = consumer.snapshot();
    check(now, 1, 40, 11);
    CHECK(now.layer_count() == 80);
    const Layer moved = now.get({1, 79});
    CHECK(moved.text() == payload_of(79, 0, layer_bytes));
    CHECK(moved.generation() == kept);  // it did not change
    CHECK(moved.frequency() == 1.5);
    CHECK(moved.keywords().size() == 1);
    CHECK(reinterpret_cast<std::uintptr_t>(moved.data()) % 4096 == 0);
    CHECK(changes(before, now).size() == 40);  // and is no change

    old.reset();
    { const Snapshot drop = before; }
}

TEST_CASE("moving on: the old file goes when the slow reader does") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::move_on;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 4_MiB});
    fill(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    for (std::uint64_t version = 1; version < 5; ++version) {
        fill(producer, 1, 80, version);
    }
    CHECK(statistics(producer).relocations >= 1);
    check(*old, 1, 80, 0);
    old.reset();
    consumer.snapshot();
    producer.reclaim();
    const auto deadline = std::chrono::steady_clock::now() + strata::test::patience;
    while (store.region_files() > 1 && std::chrono::steady_clock::now() < deadline) {
        producer.reclaim();
        std::this_thread::sleep_for(1ms);
    }
    CHECK(store.region_files() == 1);
    CHECK(statistics(producer).retired_file_bytes == 0);
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    producer.trim();
    CHECK(producer.stats().committed_bytes <= 3_MiB);
    check(consumer.snapshot(), 1, 80, 4);
    // And the next producer finds one sound store.
    { const Producer gone = std::move(producer); }
    Producer next = store.open();
    check(consumer.snapshot(), 1, 80, 4);
    CHECK(next.stats().committed_bytes == store.allocated_bytes());
}

TEST_CASE("moving on: batches that were begun before it follow") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::move_on;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 4_MiB});
    fill(producer, 1, 60, 0);
    Consumer consumer = store.attach();
    const Snapshot old = consumer.snapshot();
    Batch begun = producer.batch();
    begun.put({1, 1000}, payload_of(1000, 0, layer_bytes), {.alignment = 1024});
    const Loan loan = begun.loan({1, 1001}, layer_bytes);
    begun.put(1, "named", std::as_bytes(std::span(std::string_view("by name"))));
    begun.erase({1, 5});
    for (std::uint64_t version = 1; version < 6; ++version) {
        fill(producer, 1, 60, version);
    }
    REQUIRE(statistics(producer).relocations >= 1);
    const std::string text = payload_of(1001, 7, layer_bytes);
    std::memcpy(loan.data(), text.data(), text.size());  // in the old file still
    begun.put({1, 1002}, "after the move");
    begun.crystallize();
    const Snapshot now = consumer.snapshot();
    CHECK(now.get({1, 1000}).text() == payload_of(1000, 0, layer_bytes));
    CHECK(now.get({1, 1000}).verify());
    CHECK(now.get({1, 1001}).text() == text);
    CHECK(now.get({1, 1001}).verify());
    CHECK(now.get({1, 1002}).text() == "after the move");
    CHECK(now.get(1, "named").text() == "by name");
    CHECK_FALSE(now.find({1, 5}));
    CHECK(now.layer_count() == 60 - 1 + 4);
    check(old, 1, 60, 0);

    // One that was begun before its dimension was moved and then removed does not come back.
    Batch late = producer.batch();
    late.put({1, 1}, "late");
    Batch removal = producer.batch();
    removal.remove_dimension(1);
    removal.crystallize();
    CHECK(code_of([&] { late.crystallize(); }) == "dimension_not_found");
}

TEST_CASE("moving on: a batch follows its dimension, not another that has its number") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::move_on;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 4_MiB});
    fill(producer, 1, 60, 0);
    Consumer consumer = store.attach();
    const Snapshot old = consumer.snapshot();
    Batch begun = producer.batch();
    begun.put({1, 1000}, "of the old dimension");
    for (std::uint64_t version = 1; version < 6; ++version) {
        fill(producer, 1, 60, version);
    }
    REQUIRE(statistics(producer).relocations >= 1);
    Batch replacement = producer.batch();
    replacement.remove_dimension(1);
    replacement.put({1, 1}, "of the new one");
    replacement.crystallize();
    CHECK(code_of([&] { begun.crystallize(); }) == "dimension_not_found");
    CHECK(begun.size() == 1);
    CHECK(consumer.snapshot().layer_count() == 1);
    check(old, 1, 60, 0);
}

TEST_CASE("moving on: retained generations stay readable, in the old file and in the new") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::move_on;
    options.retain = 3;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 8_MiB});
    fill(producer, 1, 60, 0);
    Consumer consumer = store.attach();
    const Snapshot old = consumer.snapshot();
    std::map<Generation, std::uint64_t> versions;
    for (std::uint64_t version = 1; version < 16; ++version) {
        fill(producer, 1, 60, version);
        versions[producer.generation()] = version;
        Consumer reader = store.attach();
        const Generation oldest = producer.generation() - options.retain;
        for (const auto& [generation, expected] : versions) {
            if (generation >= oldest) {
                check(reader.snapshot(generation), 1, 60, expected);
            }
        }
    }
    CHECK(statistics(producer).relocations >= 1);
    check(old, 1, 60, 0);
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
    CHECK(verify(consumer.snapshot()).ok());
}

TEST_CASE("moving on: the next producer, too, leaves the old file to its reader") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::move_on;
    std::optional<Producer> producer(Producer::create(store.name(), options));
    producer->add_dimension(1, {.max_bytes = 4_MiB});
    fill(*producer, 1, 60, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    for (std::uint64_t version = 1; version < 6; ++version) {
        fill(*producer, 1, 60, version);
    }
    REQUIRE(statistics(*producer).relocations >= 1);
    producer.reset();
    producer = Producer::open(store.name(), options);
    CHECK(producer->stats().committed_bytes == store.allocated_bytes());
    for (std::uint64_t version = 6; version < 16; ++version) {
        fill(*producer, 1, 60, version);
        check(*old, 1, 60, 0);
    }
    CHECK(store.allocated_bytes() <= options.memory_limit);
    check(consumer.snapshot(), 1, 60, 15);
    old.reset();
    const auto deadline = std::chrono::steady_clock::now() + strata::test::patience;
    while (store.region_files() > 1 && std::chrono::steady_clock::now() < deadline) {
        producer->reclaim();
        std::this_thread::sleep_for(1ms);
    }
    CHECK(store.region_files() == 1);
}

TEST_CASE("moving on needs room: without it the commit fails as ever, and nothing is lost") {
    const TempStore store;
    ProducerOptions options = small(store);
    options.slow_readers.policy = SlowReaderPolicy::move_on;
    Producer producer = Producer::create(store.name(), options);
    fill(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill(producer, 1, 80, 1);
    CHECK(code_of([&] { fill(producer, 1, 80, 2); }) == "limit_exceeded");
    CHECK(store.allocated_bytes() <= 4_MiB);
    check(*old, 1, 80, 0);
    check(consumer.snapshot(), 1, 80, 1);
    old.reset();
    fill(producer, 1, 80, 2);
    check(consumer.snapshot(), 1, 80, 2);
}

TEST_CASE("moving on while several threads put, commit and read") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.slow_readers.policy = SlowReaderPolicy::move_on;
    Producer producer = Producer::create(store.name(), options);
    producer.add_dimension(1, {.max_bytes = 2_MiB});
    const auto rounds = strata::test::scaled<std::uint64_t>(400, 100);
    std::atomic<bool> stop{false};
    std::thread reader([&] {
        Consumer consumer = store.attach();
        std::map<std::uint64_t, std::string> seen;
        Snapshot held = consumer.snapshot();
        const auto remember = [&] {
            seen.clear();
            for (const Layer& layer : held.dimension(1)) {
                seen[layer.id().layer] = layer.text();
            }
        };
        remember();
        while (!stop.load()) {
            std::this_thread::sleep_for(3ms);
            for (const auto& [layer, text] : seen) {  // still the same
                if (held.find({1, layer}).text() != text) {
                    FAIL_CHECK("a held layer changed");
                    return;
                }
            }
            held = consumer.snapshot();
            remember();
        }
    });
    std::vector<std::thread> writers;
    for (std::uint64_t t = 0; t < 2; ++t) {
        writers.emplace_back([&, t] {
            Batch batch = producer.batch();
            for (std::uint64_t i = 0; i < rounds; ++i) {
                for (std::uint64_t k = 0; k < 5; ++k) {
                    batch.put({1, t * 100 + (i * 5 + k) % 20}, payload_of(t, i, 20'000));
                }
                batch.crystallize();
            }
        });
    }
    for (std::thread& writer : writers) {
        writer.join();
    }
    stop.store(true);
    reader.join();
    const Snapshot last = store.attach().snapshot();
    CHECK(last.layer_count() == 40);
    for (std::uint64_t t = 0; t < 2; ++t) {
        CHECK(last.get({1, t * 100 + (rounds * 5 - 1) % 20}).text() ==
              payload_of(t, rounds - 1, 20'000));
    }
    CHECK(producer.stats().committed_bytes == store.allocated_bytes());
}
