// SPDX-License-Identifier: Apache-2.0
// What only root can set up: consumers that are another user, read-only bind mounts, full file
// systems.
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <poll.h>
#include <sched.h>
#include <string>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/oracle.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr Oracle oracle{.layers = 300, .max_payload = 700};

/// Mounts that this process makes from now on are its own.
void own_mounts() {
    if (::unshare(CLONE_NEWNS) != 0 ||
        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        fail_errno("a private mount namespace");
    }
}

bool may_mount() {
    static const bool may = [] {
        Child child = Child::start([](const Channel&) { own_mounts(); });
        return child.join().empty();
    }();
    return may;
}

void publish_until(Producer& producer, Generation generation) {
    while (producer.generation() < generation) {
        oracle.publish(producer);
    }
}

TempStore& opened_to_all(TempStore& temp) {
    std::filesystem::permissions(temp.base(), std::filesystem::perms(0755));
    return temp;
}

/// All that anybody could have changed about a file, its time of reading excepted.
struct FileState {
    std::array<std::int64_t, 9> numbers{};
    std::string contents;
    friend bool operator==(const FileState&, const FileState&) = default;
};

std::map<std::string, FileState> state_of(const std::filesystem::path& directory) {
    std::map<std::string, FileState> result;
    const auto add = [&](const std::filesystem::path& path) {
        struct stat status {};
        REQUIRE(::lstat(path.c_str(), &status) == 0);
        FileState& state = result[path.filename().string()];
        state.numbers = {static_cast<std::int64_t>(status.st_ino),
                         status.st_mode,
                         status.st_uid,
                         status.st_size,
                         status.st_blocks,
                         status.st_mtim.tv_sec,
                         status.st_mtim.tv_nsec,
                         status.st_ctim.tv_sec,
                         status.st_ctim.tv_nsec};
        if (S_ISREG(status.st_mode)) {
            std::ifstream file(path, std::ios::binary);
            state.contents.assign(std::istreambuf_iterator<char>(file), {});
        }
    };
    add(directory);
    for (const auto& entry : std::filesystem::directory_iterator(directory)) {
        add(entry.path());
    }
    return result;
}

ConsumerOptions options_of(const TempStore& temp) {
    return {.base_path = temp.base(), .trusted_owner = TrustedOwner::anybody};
}

/// Everything that a consumer can do while the producer rests.
void whole_life(const ConsumerOptions& options) {
    Consumer consumer = Consumer::attach("store", options);
    const Snapshot newest = consumer.snapshot();
    STRATA_REQUIRE_EQ(oracle.mismatch(newest), "");
    const Snapshot earlier = consumer.snapshot(newest.generation() - 2);
    STRATA_REQUIRE_EQ(oracle.mismatch(earlier), "");
    STRATA_REQUIRE(!changes(earlier, newest).empty());
    std::uint64_t scanned = 0;
    for (const DimensionInfo& info : newest.dimensions()) {
        for (const Layer& layer : newest.dimension(info.dimension)) {
            STRATA_REQUIRE(layer.verify());
            ++scanned;
        }
    }
    STRATA_REQUIRE_EQ(scanned, newest.layer_count());
    std::vector<LayerId> ids;
    for (std::uint64_t index = 0; index < oracle.layers; ++index) {
        ids.push_back(oracle.id(index));
    }
    std::vector<Layer> found(ids.size());
    newest.find(ids, found);
    STRATA_REQUIRE_EQ(consumer.wait(newest.generation(), std::chrono::milliseconds(20)),
                      WaitResult::timeout);
    (void)consumer.event_descriptor();
    consumer.acknowledge_event();
    STRATA_REQUIRE(consumer.producer_alive());
    STRATA_REQUIRE(!consumer.store_replaced());
    STRATA_REQUIRE(!readers("store", options.base_path).empty());
    consumer.reattach();
    STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
}

}  // namespace

TEST_CASE("another user can read a store and cannot open any of its files for writing") {
    STRATA_SKIP_UNLESS_ROOT();
    TempStore temp(TempStore::Regions::own);
    Producer producer = opened_to_all(temp).create();
    publish_until(producer, 50);
    Child child = Child::start([&](const Channel&) {
        become_user(nobody);
        int files = 0;
        for (const auto& entry : std::filesystem::directory_iterator(temp.path())) {
            for (const int mode : {O_RDWR, O_WRONLY, O_RDWR | O_TRUNC}) {
                const int fd = ::open(entry.path().c_str(), mode);
                STRATA_REQUIRE_EQ(fd, -1);
                STRATA_REQUIRE_EQ(errno, EACCES);
            }
            STRATA_REQUIRE_EQ(::unlink(entry.path().c_str()), -1);
            ++files;
        }
        STRATA_REQUIRE_EQ(files, 6);  // control, lock, sign of life, three regions
        // The producer's lock cannot even be read: so nobody can hold it against the producer.
        STRATA_REQUIRE_EQ(::open(temp.file("producer.lock").c_str(), O_RDONLY), -1);
        STRATA_REQUIRE_EQ(::creat(temp.file("more").c_str(), 0644), -1);
        STRATA_REQUIRE_EQ(code_of([&] { (void)temp.open(); }), "permission_denied");

        Consumer consumer = Consumer::attach("store", options_of(temp));
        STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
    });
    CHECK(child.join() == "");
}

TEST_CASE("another user's mapping faults on a write and cannot be made writable") {
    STRATA_SKIP_UNLESS_ROOT();
    TempStore temp(TempStore::Regions::own);
    Producer producer = opened_to_all(temp).create();
    publish_until(producer, 50);
    const auto before = state_of(temp.path());
    Child child = Child::start([&](const Channel& channel) {
        become_user(nobody);
        Consumer consumer = Consumer::attach("store", options_of(temp));
        const Snapshot snapshot = consumer.snapshot();
        const Layer layer = *snapshot.dimension(1).begin();
        const auto page = reinterpret_cast<std::uintptr_t>(layer.data()) & ~std::uintptr_t{4095};
        STRATA_REQUIRE_EQ(::mprotect(reinterpret_cast<void*>(page), 4096, PROT_READ | PROT_WRITE),
                          -1);
        STRATA_REQUIRE_EQ(errno, EACCES);
        channel.send(1);
        *const_cast<volatile std::byte*>(layer.data()) = std::byte{1};
    });
    CHECK(child.receive() == 1);
    CHECK(child.join_killed(SIGSEGV) == "");
    CHECK(state_of(temp.path()) == before);
}

TEST_CASE("a consumer's whole life leaves times, sizes and contents of all files as they were") {
    STRATA_SKIP_UNLESS_ROOT();
    TempStore temp(TempStore::Regions::own);
    ProducerOptions options = opened_to_all(temp).producer_options();
    options.retain = 4;
    Producer producer = Producer::create("store", options);
    publish_until(producer, 50);
    const auto before = state_of(temp.path());
    REQUIRE(before.size() == 7);
    for (const std::uint32_t user : {nobody, std::uint32_t{0}}) {
        CAPTURE(user);
        Child child = Child::start([&](const Channel&) {
            become_user(user);
            for (int i = 0; i < 5; ++i) {
                whole_life(options_of(temp));
            }
        });
        CHECK(child.join() == "");
        CHECK(state_of(temp.path()) == before);
    }
    // The comparison would see a change.
    oracle.publish(producer);
    CHECK(state_of(temp.path()) != before);
}

TEST_CASE("a consumer works through a read-only bind mount, as another user, and is woken there") {
    STRATA_SKIP_UNLESS_ROOT();
    STRATA_SKIP_IF(!may_mount(), "no mount namespaces to be had");
    TempStore temp(TempStore::Regions::own);
    ProducerOptions options = opened_to_all(temp).producer_options();
    options.retain = 4;
    Producer producer = Producer::create("store", options);
    publish_until(producer, 50);
    const std::filesystem::path mounted = temp.base() / "mounted";
    std::filesystem::create_directory(mounted);
    const auto before = state_of(temp.path());
    Child child = Child::start([&](const Channel& channel) {
        own_mounts();
        if (::mount(temp.base().c_str(), mounted.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
            ::mount(nullptr, mounted.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr) !=
                0) {
            fail_errno("a read-only bind mount");
        }
        // Not even root writes here.
        const std::filesystem::path control = mounted / "store" / "control.mmap";
        STRATA_REQUIRE_EQ(::open(control.c_str(), O_RDWR), -1);
        STRATA_REQUIRE_EQ(errno, EROFS);
        become_user(nobody);
        const ConsumerOptions read_only{.base_path = mounted,
                                        .trusted_owner = TrustedOwner::anybody};
        whole_life(read_only);
        Consumer consumer = Consumer::attach("store", read_only);
        const Snapshot held = consumer.snapshot();
        channel.send(held.generation());
        // Woken by the producer, which knows nothing of this mount.
        for (Generation seen = held.generation(); seen < 150; seen = consumer.generation()) {
            STRATA_REQUIRE_EQ(consumer.wait(seen, patience), WaitResult::changed);
        }
        STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
        STRATA_REQUIRE_EQ(oracle.mismatch(consumer.snapshot()), "");
        channel.send(2);
        channel.receive();
    });
    REQUIRE(child.receive() == 50);
    CHECK(state_of(temp.path()) == before);
    // Its pin counts like any other.
    const auto pinned = readers("store", temp.base());
    REQUIRE(pinned.size() == 1);
    CHECK(pinned[0].pid == child.pid());
    while (producer.generation() < 150) {
        oracle.publish(producer);
        producer.reclaim();
    }
    REQUIRE(child.receive() == 2);
    child.send(0);
    CHECK(child.join() == "");
}

TEST_CASE("a process that has given up its privileges keeps snapshots across fork") {
    STRATA_SKIP_UNLESS_ROOT();
    TempStore temp(TempStore::Regions::own);
    Producer producer = opened_to_all(temp).create();
    publish_until(producer, 50);
    Child parent = Child::start([&](const Channel& channel) {
        become_user(nobody);  // its /proc/self now belongs to root
        Consumer consumer = Consumer::attach("store", options_of(temp));
        Snapshot held = consumer.snapshot();
        STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
        Child child = Child::start([&](const Channel& own) {
            own.send(1);
            own.receive();
            STRATA_REQUIRE_EQ(oracle.mismatch(held), "");
        });
        child.receive();
        held = {};
        channel.send(static_cast<std::uint64_t>(child.pid()));
        channel.receive();
        child.send(1);
        STRATA_REQUIRE_EQ(child.join(), "");
        channel.send(1);
        channel.receive();
    });
    const auto child = static_cast<std::int64_t>(parent.receive());
    for (int i = 0; i < 500; ++i) {
        oracle.publish(producer);
        producer.reclaim();
    }
    const auto pinned = readers("store", temp.base());
    REQUIRE(pinned.size() == 1);
    CHECK(pinned[0].pid == child);
    parent.send(1);
    REQUIRE(parent.receive() == 1);
    CHECK(readers("store", temp.base()).empty());
    parent.send(1);
    CHECK(parent.join() == "");
}
