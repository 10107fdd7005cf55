// SPDX-License-Identifier: Apache-2.0
// A disk that cannot write what it is given: the image of a file system grows on a tmpfs that is
// full, so the loop device answers with EIO. Needs root, loop devices, mkfs.ext4 and mkfs.xfs.
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/mount.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/loop_disk.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t disk_bytes = 320_MiB;  // no smaller xfs can be made
constexpr const char* space = "size=200m";     // for what of it was written
constexpr const char* more_space = "size=400m";

/// A tmpfs with the image in it.
class ThinDisk {
public:
    ThinDisk(const fs::path& place, const std::string& type) : place_(place) {
        STRATA_REQUIRE(own_mounts());
        STRATA_REQUIRE_EQ(::mount("none", place.c_str(), "tmpfs", 0, space), 0);
        disk_.emplace(place);
        STRATA_REQUIRE(disk_->format(type, disk_bytes));
        STRATA_REQUIRE(disk_->mount());
    }
    fs::path base() const { return disk_->mounted(); }
    /// Nothing more can be written where nothing was written before.
    void fill() const {
        const int fd = ::open((place_ / "ballast").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        STRATA_REQUIRE(fd >= 0);
        constexpr off_t step = 4096;
        off_t at = 0;
        for (off_t size = off_t{16} << 20; size >= step; size /= 2) {
            while (::posix_fallocate(fd, at, size) == 0)
                at += size;
        }
        ::close(fd);
    }
    /// It is well again, and the machine is started anew as far as it knows.
    void repair() {
        STRATA_REQUIRE_EQ(::mount(nullptr, place_.c_str(), nullptr, MS_REMOUNT, more_space), 0);
        STRATA_REQUIRE(disk_->unmount());
        STRATA_REQUIRE(disk_->mount());
    }

private:
    fs::path place_;
    std::optional<LoopDisk> disk_;
};

ProducerOptions options_on(const ThinDisk& disk, DurabilityPolicy policy) {
    return {.base_path = disk.base(),
            .region_max_bytes = 128_MiB,
            .durability = {.policy = policy, .interval = std::chrono::hours(1)}};
}

void require_lost(const fs::path& base, const std::optional<Error>& error) {
    STRATA_REQUIRE(error.has_value());
    STRATA_REQUIRE_EQ(to_string(error->code()), to_string(Errc::durability_lost));
    // What the disk says, or what the file system makes of it: it may stop altogether.
    const int number = error->errno_value();
    STRATA_REQUIRE((number == EIO || number == ENOSPC || number == EROFS));
    STRATA_REQUIRE(error->path().starts_with(base.string()));
}

void flush_fails(ThinDisk& disk, DurabilityPolicy policy) {
    const std::string content = payload_of(1, 2, 300'000);
    Generation durable = 0;
    Generation newest = 0;
    {
        Producer producer = Producer::create("store", options_on(disk, policy));
        publish(producer, {1, 1}, content);
        durable = producer.checkpoint();
        Batch batch = producer.batch();  // its blocks are reserved, and were never written
        for (std::uint64_t layer = 2; layer < 60; ++layer) {
            batch.put({1, layer}, payload_of(layer, 0, 300'000));
        }
        Consumer consumer = Consumer::attach("store", {.base_path = disk.base()});
        disk.fill();

        const auto committed = error_of([&] { newest = batch.crystallize(); });
        if (policy == DurabilityPolicy::each_commit) {
            require_lost(disk.base(), committed);
            newest = producer.generation();
        } else {
            STRATA_REQUIRE(!committed);
        }
        STRATA_REQUIRE(newest > durable);
        require_lost(disk.base(), error_of([&] { producer.checkpoint(); }));
        require_lost(disk.base(), error_of([&] { producer.wait_durable(newest); }));
        producer.wait_durable(durable);  // that one is
        require_lost(disk.base(),
                     error_of([&] { static_cast<void>(consumer.durable_generation()); }));
        STRATA_REQUIRE_EQ(producer.durable_generation(), durable);
        const Snapshot snapshot = consumer.snapshot();  // readers read on
        STRATA_REQUIRE_EQ(snapshot.generation(), newest);
        STRATA_REQUIRE_EQ(snapshot.get({1, 59}).text(), payload_of(59, 0, 300'000));
    }
    disk.repair();
    Producer producer = Producer::open("store", options_on(disk, policy));
    Consumer consumer = Consumer::attach("store", {.base_path = disk.base()});
    const Snapshot snapshot = consumer.snapshot();
    STRATA_REQUIRE_EQ(snapshot.generation(), durable);
    STRATA_REQUIRE_EQ(snapshot.layer_count(), 1U);
    STRATA_REQUIRE_EQ(snapshot.get({1, 1}).text(), content);
    STRATA_REQUIRE(verify(snapshot).ok());
    const Generation next = publish(producer, {1, 2}, "works on");
    STRATA_REQUIRE(next > newest);
    STRATA_REQUIRE_EQ(producer.checkpoint(), next);
}

void run(const std::string& type, DurabilityPolicy policy) {
    STRATA_SKIP_UNLESS_ROOT();
    const TempBase place;
    Child child = Child::start([&](const Channel& channel) {
        ThinDisk disk(place.path(), type);
        channel.send(1);
        flush_fails(disk, policy);
    });
    STRATA_SKIP_IF(!child.channel().receive_or_end(), "no loop device, or no mkfs." + type);
    CHECK(child.join() == "");
}

}  // namespace

TEST_CASE("ext4 on a disk that fails to write: durability is lost, the durable generation is not") {
    SUBCASE("on demand") { run("ext4", DurabilityPolicy::off); }
    SUBCASE("in the background") { run("ext4", DurabilityPolicy::background); }
    SUBCASE("with each commit") { run("ext4", DurabilityPolicy::each_commit); }
}

TEST_CASE("xfs on a disk that fails to write: durability is lost, the durable generation is not") {
    run("xfs", DurabilityPolicy::off);
}
