// SPDX-License-Identifier: Apache-2.0
// Every system call of a producer's and a consumer's life fails once, in turn; signals interrupt
// all of them; the wall clock jumps. Nothing published is lost, nothing is left behind.
#include <atomic>
#include <cerrno>
#include <chrono>
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

/// An error of a call that failed names the call's errno, a code that fits it, and the file.
void expect_telling(const Error& error, const fs::path& base) {
    CAPTURE(std::string(error.what()));
    CAPTURE(FailingCall::name());
    CHECK(FailingCall::happened());
    CHECK(error.errno_value() == FailingCall::error());
    const Errc fitting = FailingCall::error() == ENOSPC  ? Errc::no_space
                         : FailingCall::error() == EPERM ? Errc::permission_denied
                                                         : Errc::system;
    CHECK(std::string(to_string(error.code())) == std::string(to_string(fitting)));
    CHECK_FALSE(error.operation().empty());
    CHECK(error.path().starts_with(base.native()));
    CHECK_FALSE(error.detail().empty());
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
        bool done = false;
        try {
            action();
            generation_ = producer_->generation();
            done = true;
        } catch (const Error& error) {
            expect_telling(error, store_.base());
        }
        compare_memory();
        return done;
    }

    // Now: a successor would find, and mend, what this producer has lost sight of.
    void compare_memory() {
        const OwnCalls own_calls;
        CAPTURE(FailingCall::name());
        const std::uint64_t counted = producer_->stats().committed_bytes;
        if (FailingCall::name() == "fallocate") {
            CHECK(counted >= store_.allocated_bytes());  // no hole, so it counts on
        } else {
            CHECK(counted == store_.allocated_bytes());
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
                expect_telling(error, store_.base());
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
        CHECK(store.region_files() == statistics(next).regions.size());
    }
    MESSAGE((n - 1) << " calls failed, one at a time");
    CHECK(n > 60);
    for (const char* const name :
         {"posix_fallocate", "openat", "openat (create)", "open", "mkdirat", "fchmod", "renameat2",
          "fstat", "pread", "mmap", "fcntl (lock)", "fcntl (question)", "fallocate", "unlinkat",
          "readdir"}) {
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
    std::set<std::string> names;
    std::uint64_t n = 0;
    std::uint64_t errors = 0;
    for (bool again = true; again;) {
        ++n;
        CAPTURE(n);
        ConsumerOptions options = store.consumer_options();
        options.keep_idle_pin = false;
        std::optional<FailingCall> failing(n);
        int event = 0;
        const std::optional<Error> error = error_of([&] {
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
            event = consumer.event_descriptor();
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
        CHECK(event >= 0);
        if (error) {
            expect_telling(*error, store.base());
            ++errors;
        }
        names.insert(FailingCall::name());
        CHECK(entries("/proc/self/fd") == descriptors);
        CHECK(readers(store.name(), store.base()).empty());
    }
    CHECK(errors > 20);
    CHECK(names.contains("eventfd"));
    expect_contents(store.attach().snapshot(), contents);
}

TEST_CASE("a snapshot whose pin the kernel refuses is not given") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    unsigned refused = 0;
    bool again = true;
    for (std::uint64_t n = 1; again; ++n) {
        Consumer consumer = Consumer::attach(store.name(), options);
        std::optional<Error> error;
        Snapshot snapshot;
        {
            const FailingCall failing(n);
            error = error_of([&] { snapshot = consumer.snapshot(); });
            again = FailingCall::happened();
        }
        if (FailingCall::name() != "fcntl (lock)") continue;
        ++refused;
        REQUIRE(error);
        CHECK(error->code() == Errc::system);
        CHECK(error->errno_value() == ENOLCK);
        CHECK(error->path() == store.file("control.mmap"));
        CHECK_FALSE(snapshot);
        CHECK(readers(store.name(), store.base()).empty());
        CHECK(consumer.snapshot().get({1, 1}).text() == "x");
    }
    CHECK(refused == 1);
}

TEST_CASE(
    "any one system call of a fork may fail: the child's snapshot is pinned until it releases it") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const TempStore store;
    Producer producer = store.create();
    ConsumerOptions options = store.consumer_options();
    options.keep_idle_pin = false;
    unsigned refused_in_child = 0;
    unsigned refused_before = 0;
    bool again = true;
    for (std::uint64_t n = 1; again; ++n) {
        CAPTURE(n);
        publish(producer, {1, 1}, "held");
        Consumer consumer = Consumer::attach(store.name(), options);
        Snapshot held = consumer.snapshot();
        std::optional<test::Child> child;
        {
            const FailingCall failing(n);
            child.emplace(test::Child::start([&](const test::Channel& channel) {
                const bool refused = FailingCall::happened();
                const OwnCalls healed;
                channel.send(refused ? 1 : 0);
                channel.receive();
                STRATA_REQUIRE_EQ(std::string(held.get({1, 1}).text()), "held");
                held = Snapshot{};
                channel.send(2);
                channel.receive();
            }));
            again = FailingCall::happened();
            refused_before += again ? 1 : 0;
        }
        const bool in_child = child->receive() == 1;
        refused_in_child += in_child ? 1 : 0;
        again = again || in_child;
        held = Snapshot{};
        for (int i = 0; i < 3; ++i) {
            publish(producer, {1, 1}, "other");
            producer.reclaim();
        }
        CHECK(readers(store.name(), store.base()).size() == 1);
        child->send(0);
        REQUIRE(child->receive() == 2);
        CHECK(readers(store.name(), store.base()).empty());
        child->send(0);
        CHECK(child->join() == "");
    }
    // A pin taken and one released under the parent's name, at least.
    CHECK(refused_in_child >= 2);
    CHECK(refused_before >= 2);
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

TEST_CASE("commits in a row look at the store's name once, not each of them") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    const WallClock clock([] { return std::int64_t{1'700'000'000'000'000'000}; });  // it stands
    const TempStore store;
    Producer producer = store.create();
    for (int i = 0; i < 100; ++i) {
        publish(producer, {1, 1}, "first");
    }
    producer.reclaim();  // the files have room now
    const FailingCall failing(1);
    for (int i = 0; i < 20; ++i) {
        publish(producer, {1, 1}, "again");
    }
    CAPTURE(FailingCall::name());
    CHECK_FALSE(FailingCall::happened());
}

TEST_CASE("how long generations are retained does not hang on the wall clock") {
    constexpr std::int64_t day = 86'400'000'000'000;
    std::atomic<std::int64_t> now{100 * day};
    const WallClock clock([&] { return now.load(); });
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain_for = std::chrono::nanoseconds(1);
    Producer producer = Producer::create(store.name(), options);
    Consumer consumer = store.attach();
    const auto oldest_after_commits = [&] {
        for (int i = 0; i < 20; ++i) {
            publish(producer, {1, 1}, "again");
        }
        return producer.generation() - consumer.retained().first;
    };
    const Generation kept = oldest_after_commits();
    CHECK(kept <= 1);
    now -= 50 * day;  // not retained until that time comes again
    CHECK(oldest_after_commits() <= 1);
    options.retain_for = std::chrono::hours(1);
    producer = [&] {
        { const Producer ended = std::move(producer); }
        return Producer::open(store.name(), options);
    }();
    const Generation first = producer.generation();
    oldest_after_commits();
    now += 50 * day;  // nor given up too early
    oldest_after_commits();
    CHECK(consumer.retained().first == first);
}

TEST_CASE("a generation is retained for its time to the nanosecond, by the steady clock") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    constexpr std::int64_t start = 1'000'000'000'000;
    constexpr std::int64_t kept = 20'000'000;
    std::atomic<std::int64_t> now{start};
    const SteadyClock clock([&] { return now.load(); });
    const TempStore store;
    ProducerOptions options = store.producer_options();
    options.retain_for = std::chrono::nanoseconds(kept);
    Producer producer = Producer::create(store.name(), options);
    Consumer consumer = store.attach();
    const auto oldest_after_commit_at = [&](std::int64_t time) {
        now = start + time;
        publish(producer, {1, 1}, "again");
        return consumer.retained().first;
    };
    // Each commit supersedes the generation before: the first one at 0.
    CHECK(oldest_after_commit_at(0) == 1);
    CHECK(oldest_after_commit_at(1) == 1);
    CHECK(oldest_after_commit_at(kept / 2) == 1);
    CHECK(oldest_after_commit_at(kept / 2 + 1) == 1);
    CHECK(oldest_after_commit_at(kept - 1) == 1);
    CHECK(consumer.snapshot(1).generation() == 1);
    CHECK(oldest_after_commit_at(kept) == 2);
    CHECK(code_of([&] { (void)consumer.snapshot(1); }) == "generation_not_retained");
    CHECK(oldest_after_commit_at(kept + 1) == 3);
    CHECK(oldest_after_commit_at(kept + kept / 2 - 1) == 3);
    CHECK(oldest_after_commit_at(kept + kept / 2) == 4);
    // All are too old: the last one was current until this commit.
    CHECK(oldest_after_commit_at(10 * kept) == 10);
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
