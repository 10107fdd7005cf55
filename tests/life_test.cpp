// SPDX-License-Identifier: Apache-2.0
// Whether a producer lives: nobody can make it look dead, and no doubt reads as "no".
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/files/life_file.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::publish;
using strata::test::TempStore;

namespace fs = std::filesystem;

namespace {

/// Everything that a reader can lock: shared locks on all bytes of all files that it can open.
std::vector<ipc::FileDescriptor> lock_everything(const TempStore& store) {
    std::vector<ipc::FileDescriptor> files;
    for (const auto& entry : fs::directory_iterator(store.path())) {
        if (entry.path().filename() == "producer.lock") {
            continue;  // of mode 0600: another user cannot open it
        }
        ipc::FileDescriptor file(::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC));
        REQUIRE(file);
        (void)ipc::os::set_lock(file.get(), ipc::os::LockType::shared, std::uint64_t{1} << 62,
                                std::uint64_t{1} << 61);
        (void)ipc::os::set_lock(file.get(), ipc::os::LockType::shared, 0, ipc::pid_span);
        files.push_back(std::move(file));
    }
    return files;
}

}  // namespace

TEST_CASE("a reader that locks whatever it can does not make the next producer look dead") {
    const TempStore store;
    { Producer producer = store.create(); }
    const auto locks = lock_everything(store);
    // Also the names to come, as far as they can be guessed: a producer takes another one then.
    const Producer producer = store.open();
    const Consumer consumer = store.attach();
    CHECK(consumer.producer_alive());
    CHECK(consumer.producer_pid() == ::getpid());
    CHECK(consumer.wait(producer.generation(), std::chrono::milliseconds(1)) ==
          WaitResult::timeout);
    const auto more = lock_everything(store);
    CHECK(consumer.producer_alive());
}

TEST_CASE(
    "a producer for which no name of a sign of life is free says so, and the next one opens") {
    const TempStore store;
    { Producer producer = store.create(); }
    std::vector<fs::path> taken;
    for (std::uint64_t number = 1; number <= 1100; ++number) {
        taken.push_back(store.file(ipc::life_file_name(number)));
        const ipc::FileDescriptor file(::open(taken.back().c_str(), O_CREAT | O_RDONLY, 0444));
        REQUIRE(file);
    }
    const auto error = test::error_of([&] { (void)store.open(); });
    REQUIRE(error);
    CHECK(error->code() == Errc::system);
    CHECK(error->errno_value() == EEXIST);
    CHECK(fs::path(error->path()).parent_path() == store.path());
    CHECK_FALSE(store.attach().producer_alive());
    fs::remove(taken.at(900));
    const Producer producer = store.open();
    CHECK(store.attach().producer_alive());
}

TEST_CASE("a producer's sign of life goes with it, whether it ends or is killed") {
    const TempStore store;
    { Producer producer = store.create(); }
    Consumer consumer = store.attach();
    CHECK_FALSE(consumer.producer_alive());
    for (int i = 0; i < 3; ++i) {
        test::Child child = test::Child::start([&](const test::Channel& channel) {
            const Producer producer = store.open();
            channel.send(1);
            channel.receive();
        });
        REQUIRE(child.receive() == 1);
        CHECK(consumer.producer_pid() == child.pid());
        CHECK(child.kill_and_join() == "");
        CHECK_FALSE(consumer.producer_alive());
    }
    { Producer producer = store.open(); }
    std::size_t signs = 0;
    for (const auto& entry : fs::directory_iterator(store.path())) {
        signs += entry.path().filename().string().starts_with("life-") ? 1 : 0;
    }
    CHECK(signs == 0);  // those of the dead are swept, the last one went by itself
    CHECK_FALSE(consumer.producer_alive());
}

TEST_CASE("a sign of life that cannot be looked at is neither yes nor no") {
    const TempStore store;
    const Producer producer = store.create();
    const Consumer consumer = store.attach();
    // What is there instead cannot be opened, whoever asks.
    fs::remove(store.file("life-1.lock"));
    fs::create_symlink("nowhere", store.file("life-1.lock"));
    CHECK(code_of([&] { (void)consumer.producer_alive(); }) == "not_trusted");
    CHECK(consumer.wait(producer.generation(), std::chrono::milliseconds(1)) ==
          WaitResult::timeout);
}

TEST_CASE("a producer's lock that could not exclude anybody is refused") {
    const TempStore store;
    { Producer producer = store.create(); }
    const fs::path lock = store.file("producer.lock");
    SUBCASE("a second name") {
        fs::create_hard_link(lock, store.base() / "other");
        CHECK(code_of([&] { (void)store.open(); }) == "not_trusted");
    }
    SUBCASE("a fifo") {
        fs::remove(lock);
        REQUIRE(::mkfifo(lock.c_str(), 0600) == 0);
        CHECK(code_of([&] { (void)store.open(); }) == "not_a_store");
    }
}

TEST_CASE("10,000 pins of one process do not keep a commit waiting") {
    // Each look asks a bounded number of questions; what they leave open counts as pinned.
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    for (std::uint64_t i = 0; i < 3'000; ++i) {
        publish(producer, {1, 1}, std::to_string(i));
        producer.reclaim();
    }
    const ipc::FileDescriptor reader(
        ::open(store.file("control.mmap").c_str(), O_RDONLY | O_CLOEXEC));
    for (std::uint64_t epoch = 0; epoch < 10'000; ++epoch) {
        REQUIRE(ipc::lock_pin(reader, epoch, 1) == 0);
    }
    Consumer consumer = store.attach();
    const Snapshot held = consumer.snapshot();
    const std::string text(held.get({1, 1}).text());
    // With one question for each pin this takes minutes.
    for (std::uint64_t i = 0; i < 100; ++i) {
        publish(producer, {1, 1}, std::string(10'000, 'a'));
        producer.reclaim();
    }
    CHECK(held.get({1, 1}).text() == text);
}
