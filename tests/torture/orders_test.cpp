// SPDX-License-Identifier: Apache-2.0
// Ends of threads, ends of sessions, forks and closes, in orders that are rare in nature: at the
// crash points of the consumer, instead of dying, a thread waits until the others have acted, or
// for a random moment.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/torture/versions.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

// What a thread does at a point that it passes; empty: nothing.
thread_local std::function<void(std::string_view)>* at_points = nullptr;

/// At every point that any thread passes: nothing, most of the time, else some delay. Repeats for a
/// seed what a thread decides, not how threads meet.
std::atomic<bool> delays{false};
thread_local std::uint64_t dice = 0;
std::atomic<std::uint64_t> next_dice{1};

std::uint64_t throw_dice() noexcept {
    if (dice == 0) {
        dice = next_dice.fetch_add(1) * 0x9E37'79B9'7F4A'7C15U;
    }
    dice ^= dice << 13U;
    dice ^= dice >> 7U;
    dice ^= dice << 17U;
    return dice;
}

void delay() noexcept {
    const std::uint64_t number = throw_dice();
    switch (number % 16) {
        case 0: std::this_thread::yield(); break;
        case 1: std::this_thread::sleep_for(std::chrono::microseconds(number % 50)); break;
        case 2:
            for (std::uint64_t i = 0; i < number % 32; ++i) {
                std::this_thread::yield();
            }
            break;
        default: break;
    }
}

/// A step that one thread waits for and another takes.
class Step {
public:
    void take() noexcept {
        taken_.store(true);
        taken_.notify_all();
    }
    void await() const noexcept { taken_.wait(false); }

private:
    std::atomic<bool> taken_{false};
};

}  // namespace

namespace strata::ipc {
void crash_point(const char* name) noexcept {
    if (delays.load(std::memory_order_relaxed)) {
        delay();
    }
    if (at_points != nullptr) {
        auto* const visitor = std::exchange(at_points, nullptr);  // it passes points itself
        (*visitor)(name);
        at_points = visitor;
    }
}
}  // namespace strata::ipc

TEST_CASE("a thread that ends while its session ends takes nothing from the slot's next owner") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer, 1);
    const auto take_twice = [](Consumer& consumer) {
        (void)consumer.snapshot();  // from the second on, the view stays open
        return consumer.snapshot();
    };
    std::optional<Consumer> first = store.attach();
    Step ending;
    Step may_end;
    std::function<void(std::string_view)> wait_at_end = [&](std::string_view name) {
        if (name == "slot.thread-ends") {
            ending.take();
            may_end.await();
        }
    };
    std::thread thread([&] {
        (void)take_twice(*first);
        at_points = &wait_at_end;
    });
    ending.await();
    first.reset();  // and its slots go to whoever comes next
    Consumer second = store.attach();
    { const Snapshot snapshot = take_twice(second); }
    may_end.take();
    thread.join();

    // Whoever closes views looks for slots that have no owner any more.
    churn(producer, 10);
    (void)second.snapshot();
    const Snapshot held = second.snapshot();
    REQUIRE(mismatch(held, 21) == "");
    churn(producer, 30);
    for (int i = 0; i < 3; ++i) {
        (void)second.snapshot();
        churn(producer, 50);
    }
    CHECK(mismatch(held, 21) == "");
}

namespace {

/// What a family of threads does with a store while its producer publishes and reclaims:
/// attaches and detaches, takes, copies, moves to other threads and drops snapshots, ends, forks.
class Readers {
public:
    explicit Readers(const TempStore& store) : store_(store) {}

    void run(int threads, int rounds) {
        std::vector<std::thread> all;
        for (int i = 0; i < threads; ++i) {
            all.emplace_back([&, rounds] {
                for (int round = 0; round < rounds && wrong_.load() == nullptr; ++round) {
                    // A thread for each round, so that slots get and lose their owners.
                    std::thread([&] { one_round(); }).join();
                }
            });
        }
        for (std::thread& thread : all) {
            thread.join();
        }
        STRATA_REQUIRE_EQ(std::string(wrong_.load() == nullptr ? "" : wrong_.load()), "");
    }

private:
    using Shared = std::shared_ptr<Consumer>;

    void check(const Snapshot& snapshot, const char* what) {
        if (!mismatch(snapshot, snapshot.generation() - 1).empty()) {
            wrong_ = what;
        }
    }

    // One consumer is shared by all until somebody replaces it; its last user ends the session.
    Shared consumer() {
        const std::lock_guard lock(mutex_);
        if (!shared_ || throw_dice() % 8 == 0) {
            shared_ = std::make_shared<Consumer>(store_.attach());
        }
        return shared_;
    }

    // A snapshot changes hands: it is dropped by another thread than the one that took it.
    Snapshot exchanged(Snapshot snapshot) {
        const std::lock_guard lock(mutex_);
        std::swap(passed_on_, snapshot);
        return snapshot;
    }

    void one_round() {
        const Shared consumer = this->consumer();
        Snapshot kept = consumer->snapshot();
        for (int i = 0; i < 6; ++i) {
            Snapshot snapshot = consumer->snapshot();
            check(snapshot, "a new snapshot");
            switch (throw_dice() % 5) {
                case 0: kept = snapshot; break;
                case 1: kept = std::move(snapshot); break;
                case 2: kept = exchanged(std::move(snapshot)); break;
                case 3: snapshot = kept; break;
                default: break;
            }
            if (kept) {
                check(kept, "a kept snapshot");
            }
        }
        // AddressSanitizer's allocator may be locked by a thread that the child does not have.
        if (!address_sanitized && throw_dice() % 8 == 0) {
            const Snapshot held = consumer->snapshot();
            Child child = Child::start([&](const Channel&) {
                STRATA_REQUIRE_EQ(mismatch(held, held.generation() - 1), "");
                const Snapshot own = consumer->snapshot();
                STRATA_REQUIRE_EQ(mismatch(own, own.generation() - 1), "");
                STRATA_REQUIRE_EQ(mismatch(held, held.generation() - 1), "");
            });
            if (!child.join().empty()) {
                wrong_ = "in a forked child";
            }
        }
    }

    const TempStore& store_;
    std::mutex mutex_;
    Shared shared_;
    Snapshot passed_on_;
    std::atomic<const char*> wrong_{nullptr};
};

}  // namespace

TEST_CASE("a child forked while a store is made does not keep it when its maker is killed") {
    const TempStore temp;
    adopt_orphans();
    auto sides = Channel::pair();
    auto& ours = sides.first;
    auto& theirs = sides.second;
    auto reports = Channel::pair();
    auto& reasons = reports.first;
    auto& reporting = reports.second;
    Child maker = Child::start([&](const Channel& channel) {
        std::function<void(std::string_view)> fork = [&](std::string_view point) {
            if (point != "create.in-place") {
                return;
            }
            const pid_t pid = ::fork();
            if (pid == 0) {
                run_and_exit(std::move(theirs), reporting.fd(), [](const Channel& own) {
                    own.send(1);
                    own.receive_or_end();
                });
            }
            channel.send(static_cast<std::uint64_t>(pid));
            channel.receive_or_end();  // until it is killed
        };
        at_points = &fork;
        (void)temp.create();
    });
    const auto pid = static_cast<pid_t>(maker.receive());
    Child child = Child::adopted(pid, std::move(ours), std::move(reasons));
    CHECK(child.receive() == 1);  // it has come out of the fork
    CHECK(maker.kill_and_join() == "");
    CHECK_FALSE(temp.attach().producer_alive());
    CHECK(code_of([&] { (void)temp.open(); }) == "no error");
    child.channel().hang_up();
    CHECK(child.join() == "");
}

TEST_CASE("threads' ends, sessions' ends, forks and closes in all orders, with delays between") {
    const TempStore store;
    Producer producer = store.create();
    publish_all(producer, producer.generation());
    Child readers_process = Child::start([&](const Channel& channel) {
        delays = true;
        {
            Readers readers(store);
            readers.run(3, scaled(60, 10));
        }
        delays = false;
        channel.send(1);  // nothing is held any more, by whatever way it went
        channel.receive_or_end();
    });
    while (!readers_process.channel().ready()) {
        publish_all(producer, producer.generation());
        if (producer.generation() % 4 == 0) {
            producer.reclaim();
        }
    }
    CHECK(readers_process.receive() == 1);
    producer.reclaim();
    CHECK(producer.stats().limbo_bytes == 0);
    CHECK(readers(store.name(), store.base()).empty());
    readers_process.channel().hang_up();
    CHECK(readers_process.join() == "");
}
