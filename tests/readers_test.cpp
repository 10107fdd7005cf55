// SPDX-License-Identifier: Apache-2.0
// Who reads a store: every pin singly, and each named by the process that really holds it.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <sched.h>
#include <set>
#include <string>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/format/layout.hpp"
#include "ipc/lock_table.hpp"
#include "ipc/os.hpp"
#include "ipc/reader_list.hpp"
#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;

namespace {

/// A child that holds a snapshot until it is told, in a pid namespace of its own if `contained`.
Child holder(const TempStore& store, bool contained) {
    return Child::start([&store, contained](const Channel& outside) {
        if (contained && ::unshare(CLONE_NEWPID) != 0) fail_errno("a pid namespace");
        Child inner = Child::start([&](const Channel& channel) {
            ::prctl(PR_SET_NAME, "dashboard");
            Consumer consumer = store.attach();
            const Snapshot held = consumer.snapshot();
            channel.send(static_cast<std::uint64_t>(::getpid()));
            channel.receive();
        });
        outside.send(inner.receive());
        outside.send(static_cast<std::uint64_t>(inner.pid()));  // as this namespace has it
        inner.send(outside.receive());
        STRATA_REQUIRE_EQ(inner.join(), "");
    });
}

struct Contained {
    std::int64_t own;
    std::int64_t here;
};
Contained receive(Child& child) {
    const auto own = static_cast<std::int64_t>(child.receive());
    return {own, static_cast<std::int64_t>(child.receive())};
}

std::vector<ReaderInfo> found(const TempStore& store) {
    std::vector<ReaderInfo> list = readers(store.name(), store.base());
    find_reader_processes(list, store.name(), store.base());
    return list;
}

bool pid_namespaces() {
    Child probe = Child::start([](const Channel&) {
        if (::unshare(CLONE_NEWPID) != 0) fail_errno("a pid namespace");
    });
    return probe.join().empty();
}

}  // namespace

TEST_CASE("two consumers on one lock byte are two readers, everywhere") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    Consumer first = store.attach();
    Consumer second = store.attach();
    const Snapshot a = first.snapshot();
    const Snapshot b = second.snapshot();
    const auto list = found(store);
    REQUIRE(list.size() == 2);
    for (const ReaderInfo& reader : list) {
        CHECK(reader.pid == ::getpid());
        CHECK(reader.process == ::getpid());
    }
    CHECK(inspect(store.name(), store.base()).readers.size() == 2);
    CHECK(statistics(store.name(), store.base()).readers == 2);
    CHECK(statistics(producer).readers == 2);
    CHECK(statistics(first).readers == 2);
    // Further epochs of the same consumer count singly, too.
    publish(producer, {1, 1}, "y");
    producer.reclaim();
    const Snapshot c = first.snapshot();
    CHECK(readers(store.name(), store.base()).size() == 3);
    CHECK(statistics(store.name(), store.base()).readers == 3);
    CHECK(inspect(store.name(), store.base()).readers.size() == 3);
}

TEST_CASE("a reader in another pid namespace is not called by the name of a process here") {
    STRATA_SKIP_UNLESS_ROOT();
    STRATA_SKIP_IF(!pid_namespaces(), "no pid namespaces to be had");
    const TempStore store;
    REQUIRE(::chmod(store.base().c_str(), 0755) == 0);
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    Child one = holder(store, true);
    Child two = holder(store, true);
    const Contained first = receive(one);
    const Contained second = receive(two);
    REQUIRE(first.own == 1);  // the host's pid 1 is somebody else
    REQUIRE(second.own == 1);
    auto list = found(store);
    REQUIRE(list.size() == 2);
    CHECK(list[0].pid == 1);
    CHECK(list[1].pid == 1);
    const std::set<std::int64_t> processes{list[0].process.value_or(0),
                                           list[1].process.value_or(0)};
    CHECK(processes == std::set<std::int64_t>{first.here, second.here});
    // Who may not look into them is told nothing instead of something wrong.
    Child stranger = Child::start([&](const Channel&) {
        become_user(nobody);
        for (const ReaderInfo& reader : found(store)) {
            STRATA_REQUIRE_EQ(reader.pid, 1);
            STRATA_REQUIRE(!reader.process.has_value());
        }
    });
    CHECK(stranger.join() == "");
    const auto shown = Strata(store.base()).json({"readers", store.name()})["readers"];
    REQUIRE(shown.size() == 2);
    for (const auto& reader : shown) {
        CHECK(reader["command"] == "dashboard");
        CHECK(reader["pid"] == 1);
        CHECK(processes.contains(reader["process"].get<std::int64_t>()));
    }
    one.send(0);
    two.send(0);
    CHECK(one.join() == "");
    CHECK(two.join() == "");
}

TEST_CASE("a process that only has the number, or only has the file open, is not named") {
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    Consumer idle = store.attach();  // this process has the file open, and no pin
    // The pin of a process that is called 1 somewhere, held by this one.
    const ipc::FileDescriptor control(
        ::open(store.file("control.mmap").c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(ipc::lock_pin(control, 1, 1) == 0);
    const auto list = found(store);
    REQUIRE(list.size() == 1);
    CHECK(list[0].pid == 1);
    CHECK_FALSE(list[0].process);
}

TEST_CASE("ten thousand locks are listed singly, in a moment, and not one of another file") {
    const TempStore store;
    const TempStore other;
    Producer producer = store.create();
    Producer beside = other.create();
    const std::string path = store.file("control.mmap");
    const ipc::FileDescriptor control(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const ipc::FileDescriptor elsewhere(
        ::open(other.file("control.mmap").c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(ipc::lock_pin(elsewhere, 1, 77) == 0);
    const int count = 10'000;
    for (int i = 0; i < count; ++i) {  // not next to each other: the kernel would join them
        REQUIRE(ipc::lock_pin(control, 1, 2 * i + 1) == 0);
    }
    const ipc::FileDescriptor asking(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    // Locks that come and go elsewhere, so that the kernel's list moves while it is read.
    std::atomic<bool> stop{false};
    std::thread churn([&] {
        for (std::int64_t i = 0; !stop.load(); ++i) {
            (void)ipc::lock_pin(elsewhere, 2, 2 * (i % 500) + 1);
            if (i % 3 == 0) ipc::unlock_pin(elsewhere, 2, 2 * ((i / 3) % 500) + 1);
        }
    });
    const auto begun = std::chrono::steady_clock::now();
    const auto list = ipc::list_readers(asking, 1, "list", "");
    const auto took = std::chrono::steady_clock::now() - begun;
    stop.store(true);
    churn.join();
    MESSAGE("listing ", list.size(), " took ",
            std::chrono::duration<double, std::milli>(took).count(), " ms");
    // The kernel gives its list page by page. Beside the churn a few may be missing from all
    // passes, or be twice in all that have them; of another file is none.
    std::set<std::int64_t> listed;
    for (const ReaderInfo& reader : list) {
        if (reader.pid % 2 != 1 || reader.pid > 2 * count) FAIL_CHECK(reader.pid);
        listed.insert(reader.pid);
    }
    CHECK(listed.size() >= std::size_t{9'900});
    // Only the locks of other programs move now.
    const auto settled = ipc::list_readers(asking, 1, "list", "");
    CHECK(settled.size() >= std::size_t{10'000});
    CHECK(settled.size() <= std::size_t{10'100});
    CHECK(ipc::list_readers(asking, 0, "list", "").empty());  // of older epochs only
}

TEST_CASE("where the locks cannot be listed, the kernel is asked for each") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempStore store;
    Producer producer = store.create();
    publish(producer, {1, 1}, "x");
    Child other = holder(store, false);
    const std::int64_t reader = receive(other).own;
    Child blind = Child::start([&](const Channel&) {
        // Another file under the name: of this process and its namespace alone.
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("/dev/null", "/proc/locks", nullptr, MS_BIND, nullptr) != 0) {
            fail_errno("hide /proc/locks");
        }
        const auto list = readers(store.name(), store.base());
        STRATA_REQUIRE_EQ(list.size(), std::size_t{1});
        STRATA_REQUIRE_EQ(list[0].pid, reader);
        STRATA_REQUIRE_EQ(inspect(store.name(), store.base()).readers.size(), std::size_t{1});
        STRATA_REQUIRE_EQ(statistics(store.name(), store.base()).readers, std::uint64_t{1});
    });
    CHECK(blind.join() == "");
    other.send(0);
    CHECK(other.join() == "");
}
