// SPDX-License-Identifier: Apache-2.0
// Readers that hold old snapshots: reported, or waited for.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/full_store.hpp"
#include "tests/support/process.hpp"

using namespace strata;
using namespace std::chrono_literals;
using namespace strata::test;

namespace {

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

    /// Whether a reader could be refused a pin, of whatever epoch.
    bool locked_for_readers() const {
        struct flock probe {};
        probe.l_type = F_RDLCK;
        probe.l_whence = SEEK_SET;
        probe.l_len = off_t{1} << 62;  // behind it are those who wait
        REQUIRE(::fcntl(fd_, F_OFD_GETLK, &probe) == 0);
        return probe.l_type != F_UNLCK;
    }

private:
    int fd_;
};

}  // namespace

TEST_CASE("a refusal for want of memory names each process that holds snapshots once") {
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.memory_limit = 1_MiB;
    Producer producer = Producer::create(store.name(), options);
    Consumer consumer = store.attach();
    std::vector<Snapshot> held;
    for (const char letter : {'a', 'b', 'c'}) {
        publish(producer, {1, 1}, std::string(50'000, letter));
        held.push_back(consumer.snapshot());
    }
    std::string told;
    try {
        for (int i = 0; i < 20; ++i) {
            publish(producer, {1, 2}, std::string(200'000, 'x'));
            held.push_back(consumer.snapshot());
        }
    } catch (const Error& error) {
        CHECK(error.code() == Errc::limit_exceeded);
        told = error.what();
    }
    CAPTURE(told);
    const std::string pid = std::to_string(::getpid());
    CHECK(told.find(" process " + pid) != std::string::npos);
    CHECK(told.find(", " + pid) == std::string::npos);
}

TEST_CASE("a slow reader is reported once, with pid and what it holds") {
    const TempStore store(TempStore::Regions::own);
    std::vector<SlowReader> told;
    ProducerOptions options = small_options(store);
    options.slow_readers.max_held_bytes = 100'000;
    options.slow_readers.on_slow_reader = [&](const SlowReader& reader) { told.push_back(reader); };
    Producer producer = Producer::create(store.name(), options);
    fill_dimension(producer, 1, 10, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    publish(producer, {1, 0}, payload_of(0, 1, layer_bytes));
    producer.reclaim();
    CHECK(told.empty());  // holds 20 kB
    fill_dimension(producer, 1, 10, 2);
    producer.reclaim();
    REQUIRE(told.size() == 1);
    CHECK(told[0].pid == ::getpid());
    CHECK(told[0].held_bytes >= 9 * layer_bytes);
    CHECK(told[0].epochs_behind >= 1);
    fill_dimension(producer, 1, 10, 3);
    producer.reclaim();
    CHECK(told.size() == 1);
    check_dimension(*old, 1, 10, 0);

    // Another pin is another story.
    old = consumer.snapshot();
    for (std::uint64_t version = 4; version < 7; ++version) {
        fill_dimension(producer, 1, 10, version);
        producer.reclaim();
    }
    CHECK(told.size() == 2);
}

TEST_CASE("a slow reader by age and by epochs; the callback may call the producer") {
    const TempStore store(TempStore::Regions::own);
    std::vector<SlowReader> told;
    Producer* self = nullptr;
    ProducerOptions options = small_options(store);
    options.slow_readers.max_age = 5ms;
    options.slow_readers.on_slow_reader = [&](const SlowReader& reader) {
        told.push_back(reader);
        (void)self->stats();
    };
    Producer producer = Producer::create(store.name(), options);
    self = &producer;
    fill_dimension(producer, 1, 2, 0);
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
    ProducerOptions by_epochs = small_options(other);
    by_epochs.slow_readers.max_epochs = 3;
    by_epochs.slow_readers.on_slow_reader = options.slow_readers.on_slow_reader;
    Producer second = Producer::create(other.name(), by_epochs);
    fill_dimension(second, 1, 2, 0);
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

TEST_CASE("the file of a dimension that was removed counts for the oldest of those who read it") {
    const TempStore store(TempStore::Regions::own);
    std::vector<SlowReader> told;
    ProducerOptions options = small_options(store);
    options.slow_readers.max_held_bytes = 100'000;
    options.slow_readers.on_slow_reader = [&](const SlowReader& reader) { told.push_back(reader); };
    Producer producer = Producer::create(store.name(), options);
    fill_dimension(producer, 1, 10, 0);
    // Without idle pins: they would stay for a while when the snapshots have gone.
    const ConsumerOptions plain{.base_path = store.base(), .keep_idle_pin = false};
    Consumer first_consumer = Consumer::attach(store.name(), plain);
    Consumer second_consumer = Consumer::attach(store.name(), plain);
    Consumer late_consumer = Consumer::attach(store.name(), plain);
    const auto move_on = [&] {  // to an epoch that is not next to the one before
        for (int i = 0; i < 2; ++i) {
            publish(producer, {2, 1}, "small");
            producer.reclaim();
        }
    };
    std::optional<Snapshot> first = first_consumer.snapshot();
    move_on();
    std::optional<Snapshot> second = second_consumer.snapshot();
    move_on();
    CHECK(told.empty());
    Batch batch = producer.batch();
    batch.remove_dimension(1);
    batch.crystallize();
    move_on();
    const Snapshot late = late_consumer.snapshot();  // without the dimension
    move_on();
    REQUIRE(told.size() == 1);
    CHECK(told[0].held_bytes >= 10 * layer_bytes);
    CHECK(told[0].held_bytes < 11 * layer_bytes);
    const SlowReader oldest = told[0];
    first.reset();
    move_on();
    REQUIRE(told.size() == 2);
    CHECK(told[1].epoch > oldest.epoch);
    CHECK(told[1].held_bytes >= 10 * layer_bytes);
    CHECK(told[1].held_bytes < 11 * layer_bytes);
    check_dimension(*second, 1, 10, 0);
    second.reset();
    move_on();
    CHECK(told.size() == 2);
    CHECK(late.find({2, 1}));
}

TEST_CASE("the default: the commit fails, names who holds back, and works once they release") {
    const TempStore store(TempStore::Regions::own);
    Producer producer = Producer::create(store.name(), small_options(store));
    fill_dimension(producer, 1, 80, 0);  // 1.7 MB
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill_dimension(producer, 1, 80, 1);
    const auto error = error_of([&] { fill_dimension(producer, 1, 80, 2); });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->detail().find(std::to_string(::getpid())) != std::string::npos);
    check_dimension(*old, 1, 80, 0);
    old.reset();
    fill_dimension(producer, 1, 80, 2);
    check_dimension(consumer.snapshot(), 1, 80, 2);
}

TEST_CASE("waiting: the commit goes on as soon as the reader releases, and fails in time if not") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = small_options(store);
    options.slow_readers.policy = SlowReaderPolicy::wait;
    options.slow_readers.wait = 60s;
    Producer producer = Producer::create(store.name(), options);
    fill_dimension(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill_dimension(producer, 1, 80, 1);
    std::atomic<bool> let_go{false};
    std::thread reader([&] {
        std::this_thread::sleep_for(50ms);
        let_go.store(true);
        old.reset();
    });
    const auto start = std::chrono::steady_clock::now();
    fill_dimension(producer, 1, 80, 2);
    CHECK(let_go.load());
    CHECK(std::chrono::steady_clock::now() - start < 30s);
    reader.join();
    check_dimension(consumer.snapshot(), 1, 80, 2);
}

TEST_CASE("waiting is in nobody's way: no byte is locked exclusively, others take new snapshots") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = small_options(store);
    options.slow_readers.policy = SlowReaderPolicy::wait;
    options.slow_readers.wait = std::chrono::milliseconds::max();  // as long as it takes
    Producer producer = Producer::create(store.name(), options);
    fill_dimension(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill_dimension(producer, 1, 80, 1);
    const ControlFile control(store);
    std::thread writer([&] { fill_dimension(producer, 1, 80, 2); });
    // A producer that waits looks again and again: each look moves the clock on.
    const std::uint64_t begun = inspect(store.name(), store.base()).epoch;
    const auto waits = [&] { return inspect(store.name(), store.base()).epoch > begun + 4; };
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
    check_dimension(fresh, 1, 3, 1);
    old.reset();
    writer.join();
    CHECK_FALSE(control.locked_for_readers());
    check_dimension(fresh, 1, 80, 1);
    check_dimension(consumer.snapshot(), 1, 80, 2);
}

TEST_CASE("waiting has an end") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = small_options(store);
    options.slow_readers.policy = SlowReaderPolicy::wait;
    options.slow_readers.wait = 50ms;
    Producer producer = Producer::create(store.name(), options);
    fill_dimension(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill_dimension(producer, 1, 80, 1);
    const auto start = std::chrono::steady_clock::now();
    CHECK(code_of([&] { fill_dimension(producer, 1, 80, 2); }) == "limit_exceeded");
    CHECK(std::chrono::steady_clock::now() - start >= 50ms);
    check_dimension(*old, 1, 80, 0);
}

TEST_CASE("waiting sees a reader that releases among many that do not") {
    const TempStore store(TempStore::Regions::own);
    ProducerOptions options = small_options(store);
    options.slow_readers.policy = SlowReaderPolicy::wait;
    options.slow_readers.wait = 60s;
    Producer producer = Producer::create(store.name(), options);
    // One of each epoch; they hold next to nothing.
    std::vector<Consumer> consumers;
    std::vector<Snapshot> held;
    for (std::uint64_t i = 0; i < 40; ++i) {
        publish(producer, {2, 0}, std::to_string(i));
        consumers.push_back(store.attach());
        held.push_back(consumers.back().snapshot());
        producer.reclaim();
    }
    fill_dimension(producer, 1, 80, 0);
    Consumer consumer = store.attach();
    std::optional<Snapshot> old = consumer.snapshot();
    fill_dimension(producer, 1, 80, 1);
    const std::uint64_t begun = inspect(store.name(), store.base()).epoch;
    std::thread reader([&] {
        while (inspect(store.name(), store.base()).epoch < begun + 4) {
            std::this_thread::yield();
        }
        old.reset();
    });
    const auto start = std::chrono::steady_clock::now();
    fill_dimension(producer, 1, 80, 2);
    CHECK(std::chrono::steady_clock::now() - start < 30s);
    reader.join();
    check_dimension(consumer.snapshot(), 1, 80, 2);
    for (std::uint64_t i = 0; i < held.size(); ++i) {
        CHECK(held[i].get({2, 0}).text() == std::to_string(i));
    }
}
