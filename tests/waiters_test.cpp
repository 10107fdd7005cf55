// SPDX-License-Identifier: Apache-2.0
// Who waits is known to the producer, through the kernel alone.
#include "producer/commit/waiters.hpp"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/format/atomic_word.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"
#include "ipc/sanitizer.hpp"
#include "tests/support/process.hpp"
#include "tests/support/refused_call.hpp"
#include "tests/support/sleeping_thread.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using producer_impl::Waiters;

namespace {

/// Whether it comes true; it is given time.
bool comes_true(const std::function<bool()>& condition) {
    const auto deadline = Clock::now() + patience;
    while (!condition()) {
        if (Clock::now() > deadline) {
            return false;
        }
        std::this_thread::yield();
    }
    return true;
}

/// A file like a control file, and a word like the generation.
class Fixture {
public:
    Fixture() {
        file_ = ipc::FileDescriptor(::open(path().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        REQUIRE(::ftruncate(file_.get(), 4096) == 0);
    }
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;

    std::string path() const { return base_.path() / "control"; }
    const ipc::FileDescriptor& file() const noexcept { return file_; }
    ipc::FileDescriptor open() const {
        return ipc::FileDescriptor(::open(path().c_str(), O_RDONLY | O_CLOEXEC));
    }

    std::uint64_t word = 1;

private:
    TempBase base_;
    ipc::FileDescriptor file_;
};

bool waits(const std::filesystem::path& control) {
    const ipc::FileDescriptor file(::open(control.c_str(), O_RDONLY | O_CLOEXEC));
    return ipc::waiters(file) == ipc::LockState::held;
}

}  // namespace

TEST_CASE("before anything is known, everybody may be waiting; then nobody is, until one says so") {
    const Fixture fixture;
    Waiters waiters;
    CHECK(waiters.present());
    waiters.prepare(fixture.file(), fixture.word);
    waiters.start();
    CHECK(comes_true([&] { return !waiters.present(); }));
    ipc::FileDescriptor first = fixture.open();
    ipc::FileDescriptor second = fixture.open();
    CHECK(ipc::announce_waiter(first, ::getpid()) == 0);
    CHECK(comes_true([&] { return waiters.present(); }));
    CHECK(ipc::announce_waiter(second, ::getpid()) == 0);  // the same byte
    first.reset();
    std::this_thread::sleep_for(30ms);  // longer than it takes to be forgotten wrongly
    CHECK(waiters.present());
    second.reset();
    CHECK(comes_true([&] { return !waiters.present(); }));
    waiters.stop();
    CHECK(waiters.present());
}

TEST_CASE("who sleeps through a commit that knew of nobody is woken as soon as he is known") {
    Fixture fixture;
    Waiters waiters;
    waiters.prepare(fixture.file(), fixture.word);
    waiters.start();
    REQUIRE(comes_true([&] { return !waiters.present(); }));
    bool woken = false;
    SleepingThread sleeper([&] {
        woken = ipc::os::futex_wait(ipc::futex_word(fixture.word), 1, Clock::now() + patience);
    });
    ipc::store_release(fixture.word, 2);  // as a commit that finds nobody: no wake
    const ipc::FileDescriptor file = fixture.open();
    CHECK(ipc::announce_waiter(file, ::getpid()) == 0);
    sleeper.join();
    CHECK(woken);
    CHECK(waiters.present());
}

TEST_CASE("each of many sleepers is woken by every commit") {
    Fixture fixture;
    Waiters waiters;
    waiters.prepare(fixture.file(), fixture.word);
    waiters.start();
    constexpr std::uint64_t last = scaled(100, 20);
    constexpr std::uint64_t sleepers = 12;
    std::atomic<std::uint64_t> seen_by_all{0};
    std::atomic<bool> all_woken{true};
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < sleepers; ++i) {
        threads.emplace_back([&] {
            for (std::uint64_t seen = 1; seen < last;) {
                const std::uint64_t now = ipc::load_acquire(fixture.word);
                if (now != seen) {
                    seen = now;
                    ++seen_by_all;
                } else if (!ipc::os::futex_wait(ipc::futex_word(fixture.word),
                                                static_cast<std::uint32_t>(seen),
                                                Clock::now() + patience)) {
                    all_woken = false;
                    return;
                }
            }
        });
    }
    for (std::uint64_t number = 2; number <= last && all_woken; ++number) {
        ipc::store_release(fixture.word, number);
        waiters.wake(fixture.word);
        while (seen_by_all < sleepers * (number - 1) && all_woken) {
            std::this_thread::yield();
        }
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(all_woken);
}

TEST_CASE(
    "without its thread, and once it may not call it any more, a commit wakes all by itself") {
    struct Started {
        bool thread;
        bool refused;
    };
    for (const Started variant : {Started{false, false}, Started{true, true}}) {
        CAPTURE(variant.thread);
        Child child = Child::start([variant](const Channel&) {
            Fixture fixture;
            Waiters waiters;
            if (variant.thread) {
                waiters.prepare(fixture.file(), fixture.word);
                waiters.start();
            }
            std::atomic<int> woken{0};
            std::vector<std::unique_ptr<SleepingThread>> sleepers;
            for (int i = 0; i < 9; ++i) {
                sleepers.push_back(std::make_unique<SleepingThread>([&] {
                    woken += ipc::os::futex_wait(ipc::futex_word(fixture.word), 1,
                                                 Clock::now() + patience)
                                 ? 1
                                 : 0;
                }));
            }
            if (variant.refused) {
                refuse_call(SYS_write);
            }
            ipc::store_release(fixture.word, 2);
            waiters.wake(fixture.word);
            for (const auto& sleeper : sleepers) {
                sleeper->join();
            }
            STRATA_REQUIRE_EQ(woken.load(), 9);
        });
        CHECK(child.join() == "");
    }
}

#ifndef STRATA_TSAN  // there a producer starts no such thread
namespace {
std::ptrdiff_t threads_of_this_process() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/task"), {});
}
}  // namespace

TEST_CASE("a producer of a few commits has no thread for those who wait, one of many has") {
    const TempStore store;
    const std::ptrdiff_t before = threads_of_this_process();
    Producer producer = store.create();
    for (int i = 0; i < 8; ++i) {
        publish(producer, {1, 1}, "few");
    }
    CHECK(threads_of_this_process() == before);
    for (int i = 0; i < 40; ++i) {
        publish(producer, {1, 1}, "many");
    }
    CHECK(threads_of_this_process() == before + 1);
}
#endif

TEST_CASE("the first commit that finds many sleepers starts the thread, and all are woken") {
    Fixture fixture;
    Waiters waiters;
    waiters.prepare(fixture.file(), fixture.word);
    std::atomic<int> woken{0};
    std::vector<std::unique_ptr<SleepingThread>> sleepers;
    constexpr int count = 5;
    for (int i = 0; i < count; ++i) {
        sleepers.push_back(std::make_unique<SleepingThread>([&] {
            woken += ipc::os::futex_wait(ipc::futex_word(fixture.word), 1, Clock::now() + patience)
                         ? 1
                         : 0;
        }));
    }
    CHECK(waiters.present());
    ipc::store_release(fixture.word, 2);
    waiters.wake(fixture.word);
    for (const auto& sleeper : sleepers) {
        sleeper->join();
    }
    CHECK(woken == count);
    // Nobody has announced himself: the thread has looked.
    CHECK(comes_true([&] { return !waiters.present(); }));
}

TEST_CASE("a killed process does not wait any more") {
    const Fixture fixture;
    Waiters waiters;
    Child child = Child::start([&](const Channel& channel) {
        const ipc::FileDescriptor file = fixture.open();
        STRATA_REQUIRE_EQ(ipc::announce_waiter(file, ::getpid()), 0);
        channel.send(1);
        channel.receive();
    });
    child.receive();
    waiters.prepare(fixture.file(), fixture.word);
    waiters.start();  // announced before anybody looked
    std::this_thread::sleep_for(30ms);
    CHECK(waiters.present());
    CHECK(child.kill_and_join() == "");
    CHECK(comes_true([&] { return !waiters.present(); }));
}

TEST_CASE("commits by a producer that knows of nobody reach those who begin to wait meanwhile") {
    const TempStore store;
    Producer producer = store.create();
    constexpr Generation last = 400;
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
        threads.emplace_back([&] {
            for (Generation seen = 1; seen < last;) {
                // Anew each time: nobody has announced it when the wait begins.
                const Consumer consumer = store.attach();
                if (consumer.wait(seen, 60s) != WaitResult::changed) {
                    return;
                }
                seen = consumer.generation();
            }
        });
    }
    while (producer.generation() < last) {
        publish(producer, {1, 1}, std::to_string(producer.generation() + 1));
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(store.attach().generation() == last);
}

TEST_CASE("a consumer announces that it waits, by either way of waiting, and a forked child anew") {
    const TempStore store;
    const Producer producer = store.create();
    const auto control = store.file("control.mmap");
    std::optional<Consumer> consumer = store.attach();
    CHECK(consumer->wait(0, 0ns) == WaitResult::changed);
    CHECK(consumer->wait(1, 0ns) == WaitResult::timeout);
    CHECK_FALSE(waits(control));  // nobody has slept yet
    CHECK(consumer->wait(1, 1ms) == WaitResult::timeout);
    CHECK(waits(control));
    Child child = Child::start([&](const Channel& channel) {
        consumer->wait(1, 1ms);
        channel.send(1);
        channel.receive();
    });
    child.receive();
    consumer.reset();
    CHECK(waits(control));
    CHECK(child.kill_and_join() == "");
    CHECK_FALSE(waits(control));
    consumer.emplace(store.attach());
    REQUIRE(consumer->event_descriptor() >= 0);
    CHECK(waits(control));
    consumer.reset();
    CHECK_FALSE(waits(control));
}

TEST_CASE("a producer ends although its control file was cut off") {
    const Fixture fixture;
    Waiters waiters;
    waiters.prepare(fixture.file(), fixture.word);
    waiters.start();
    REQUIRE(::ftruncate(fixture.file().get(), 0) == 0);
    waiters.stop();
    const ipc::FileDescriptor file = fixture.open();
    CHECK(ipc::announce_waiter(file, ::getpid()) == EIO);  // nobody would hear it
}

TEST_CASE("without descriptors for finding out, everybody counts as waiting") {
    const Fixture fixture;
    struct rlimit before {};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    Waiters waiters;
    waiters.prepare(fixture.file(), fixture.word);
    waiters.start();
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    CHECK(waiters.present());
}
