// SPDX-License-Identifier: Apache-2.0
// Every system call of a producer's and a consumer's life fails once, in turn; signals interrupt
// all of them; the wall clock jumps. Nothing published is lost, nothing is left behind.
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace fs = std::filesystem;

namespace {

std::size_t entries(const fs::path& directory) {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(directory), fs::directory_iterator()));
}

/// What has to be in the store: changed only by what was published.
using Contents = std::map<std::pair<Dimension, std::uint64_t>, std::string>;

void expect_contents(const Snapshot& snapshot, const Contents& contents) {
    CHECK(snapshot.layer_count() == contents.size());
    for (const auto& [id, text] : contents) {
        CHECK(snapshot.find({id.first, id.second}).text() == text);
    }
    CHECK(verify(snapshot).ok());
}

/// One life of a producer. Any step may end in a typed error; what the steps promise is kept.
class Life {
public:
    explicit Life(const TempStore& store) : store_(store) {
        options_ = store.producer_options();
        options_.retain = 1;
    }

    void run() {
        begin([&] { return Producer::create(store_.name(), options_); });
        publish(1, 40, 700);
        publish(2, 5, 70'000);  // files grow
        step([&] { producer_->add_dimension(3, {.name = "Third"}); });
        publish(2, 5, 90'000);
        step([&] { producer_->reclaim(); });
        step([&] { producer_->trim(); });
        publish(2, 3, 60'000);  // into holes
        remove(1);
        step([&] { (void)statistics(*producer_); });
        producer_.reset();
        begin([&] { return Producer::open(store_.name(), options_); });
        publish(4, 10, 1'000);
        producer_.reset();
    }

    const Contents& contents() const noexcept { return contents_; }
    bool exists() const noexcept { return generation_ > 0; }
    Generation generation() const noexcept { return generation_; }

private:
    template <class Action>
    bool step(Action action) {
        if (!producer_) return false;
        try {
            action();
            generation_ = producer_->generation();
            return true;
        } catch (const Error& error) {
            CHECK_FALSE(error.detail().empty());
            CHECK(FailingCall::happened());
            return false;
        }
    }

    // A failed beginning is repeated, as a user would.
    template <class Make>
    void begin(Make make) {
        for (int attempt = 0; attempt < 2 && !producer_; ++attempt) {
            try {
                producer_.emplace(make());
                generation_ = producer_->generation();
            } catch (const Error& error) {
                CAPTURE(std::string(error.what()));
                CAPTURE(FailingCall::name());
                CHECK(FailingCall::happened());
                REQUIRE(attempt == 0);
            }
        }
    }

    // A refused commit keeps its changes and is repeated.
    void commit(Batch& batch) {
        const std::size_t changes = batch.size();
        if (!step([&] { batch.crystallize(); })) {
            CHECK(batch.size() == changes);
            CHECK(producer_->generation() == generation_);
            REQUIRE(step([&] { batch.crystallize(); }));
        }
    }

    void publish(Dimension dimension, std::uint64_t layers, std::size_t bytes) {
        if (!producer_) return;
        Batch batch = producer_->batch();
        Contents changes;
        ++version_;
        for (std::uint64_t i = 0; i < layers; ++i) {
            const std::string text = payload_of(i, version_, bytes);
            const bool put = step([&] {
                                 batch.put({dimension, i}, text);
                             }) ||
                             step([&] {
                                 batch.put({dimension, i}, text);
                             });
            REQUIRE(put);
            changes[{dimension, i}] = text;
        }
        commit(batch);
        for (auto& [id, text] : changes)
            contents_[id] = std::move(text);
    }

    void remove(Dimension dimension) {
        Batch batch = producer_->batch();
        batch.remove_dimension(dimension);
        commit(batch);
        std::erase_if(contents_, [&](const auto& entry) { return entry.first.first == dimension; });
    }

    const TempStore& store_;
    ProducerOptions options_;
    std::optional<Producer> producer_;
    Contents contents_;
    Generation generation_ = 0;
    std::uint64_t version_ = 0;
};

}  // namespace

TEST_CASE(
    "any one system call of a producer may fail: an error, nothing lost, nothing left behind") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    std::set<std::string> names;
    std::uint64_t n = 0;
    for (bool again = true; again;) {
        ++n;
        const TempStore store;
        const std::size_t descriptors = entries("/proc/self/fd");
        Life life(store);
        {
            const FailingCall failing(n);
            life.run();
            again = FailingCall::happened();
            names.insert(FailingCall::name());
        }
        CAPTURE(n);
        CAPTURE(FailingCall::name());
        CHECK(entries("/proc/self/fd") == descriptors);
        REQUIRE(life.exists());
        CHECK(entries(store.base()) == 1);  // the store, no half one
        Producer next = store.open();
        CHECK(next.generation() == life.generation());
        next.trim();
        CHECK(next.stats().committed_bytes == store.allocated_bytes());
        expect_contents(store.attach().snapshot(), life.contents());
        CHECK(store.region_files() == next.stats().dimensions);
    }
    MESSAGE((n - 1) << " calls failed, one at a time");
    CHECK(n > 60);
    for (const char* const name :
         {"posix_fallocate", "openat", "openat (create)", "open", "mkdirat", "fchmod", "renameat2",
          "fstat", "pread", "mmap", "fcntl (lock)", "fallocate"}) {
        CAPTURE(name);
        CHECK(names.contains(name));
    }
}

TEST_CASE("any one system call of a consumer may fail: an error or a result, and nothing is kept") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const TempStore store;
    Producer producer = store.create();
    Contents contents;
    for (std::uint64_t i = 0; i < 20; ++i) {
        const auto dimension = static_cast<Dimension>(i % 3);
        contents[{dimension, i}] = payload_of(i, 0, 100);
        publish(producer, {dimension, i}, contents[{dimension, i}]);
    }
    const std::size_t descriptors = entries("/proc/self/fd");
    std::uint64_t n = 0;
    std::uint64_t errors = 0;
    for (bool again = true; again;) {
        ++n;
        CAPTURE(n);
        ConsumerOptions options = store.consumer_options();
        options.keep_idle_pin = false;
        std::optional<FailingCall> failing(n);
        const std::string code = code_of([&] {
            Consumer consumer = Consumer::attach(store.name(), options);
            Snapshot snapshot = consumer.snapshot();
            for (const auto& [id, text] : contents) {
                const std::string_view found = snapshot.get({id.first, id.second}).text();
                CHECK(found == text);
            }
            const VerifyReport report = verify(snapshot);
            CHECK((report.ok() || FailingCall::happened()));
            (void)consumer.producer_alive();
            (void)consumer.store_replaced();
            consumer.reattach();
            snapshot = consumer.snapshot();
            (void)copy_layer(snapshot, {0, 0});
            (void)statistics(consumer);
            (void)inspect(store.name(), store.base());
            (void)readers(store.name(), store.base());
        });
        again = FailingCall::happened();
        failing.reset();
        CAPTURE(FailingCall::name());
        CHECK((again || code == "no error"));
        errors += code == "no error" ? 0 : 1;
        CHECK(entries("/proc/self/fd") == descriptors);
        CHECK(readers(store.name(), store.base()).empty());
    }
    CHECK(errors > 20);
    expect_contents(store.attach().snapshot(), contents);
}

TEST_CASE("signals may interrupt every system call, again and again") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const TempStore store;
    Life life(store);
    {
        const Interruptions storm(3);
        life.run();
        const Snapshot snapshot = store.attach().snapshot();
        expect_contents(snapshot, life.contents());
        CHECK(Interruptions::count() > 100);
    }
    CHECK(store.open().generation() == life.generation());
}

TEST_CASE("how slow a reader is does not hang on the wall clock") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    std::int64_t now = 1'700'000'000'000'000'000;
    const WallClock clock([&] { return now; });
    const TempStore store;
    unsigned told = 0;
    ProducerOptions options = store.producer_options();
    options.slow_readers.max_age = std::chrono::hours(1);
    options.slow_readers.on_slow_reader = [&](const SlowReader&) { ++told; };
    Producer producer = Producer::create(store.name(), options);
    publish(producer, {1, 1}, "first");
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    for (const std::int64_t jump : {0, 7'200, -14'400, 86'400}) {  // seconds
        now += jump * 1'000'000'000;
        publish(producer, {1, 1}, "next");
        producer.reclaim();
    }
    CHECK(told == 0);
}

TEST_CASE("a wall clock that jumps changes nothing but the times that are told") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    // An hour back, a century on, before the epoch, to the end of its range.
    std::vector<std::int64_t> times = {
        1'700'000'000'000'000'000, 1'699'996'400'000'000'000, 4'900'000'000'000'000'000, 0, 1,
        9'200'000'000'000'000'000};
    std::size_t calls = 0;
    const WallClock clock([&] { return times[calls++ % times.size()]; });
    const TempStore store;
    Life life(store);
    life.run();
    Producer producer = store.open();
    Consumer consumer = store.attach();
    Snapshot held = consumer.snapshot();
    expect_contents(held, life.contents());
    const Generation before = producer.generation();
    for (std::uint64_t i = 0; i < 200; ++i) {
        publish(producer, {9, i % 7}, payload_of(i, 0, 3000));
        if (i % 20 == 0) producer.reclaim();
        CHECK(consumer.wait(producer.generation() - 1, patience) == WaitResult::changed);
        CHECK(consumer.snapshot().generation() == producer.generation());
    }
    CHECK(consumer.wait(producer.generation(), std::chrono::milliseconds(5)) ==
          WaitResult::timeout);
    CHECK(producer.generation() == before + 200);
    expect_contents(held, life.contents());
    (void)statistics(producer);
    (void)summary(statistics(consumer));
    held = {};
    (void)consumer.snapshot();
    producer.reclaim();
    CHECK(calls > 200);
}
