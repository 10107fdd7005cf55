// SPDX-License-Identifier: Apache-2.0
// What `access` tries, as whom, and what it says is in the way.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <sched.h>
#include <string>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "ipc/os/mount.hpp"
#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include "tests/support/volume_contents.hpp"
#include <strata/volume_access.hpp>
#include <strata/volume_transfer.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;

namespace {

/// A volume that everybody may look into, with a live store and archives of it.
struct TempVolume {
    TempBase base;
    Volume volume = Volume::init(
        {.base_path = base.path() / "a volume", .initial_size = 64_KiB, .max_size = 32_MiB});

    TempVolume() {
        ::chmod(base.path().c_str(), 0755);
        Producer producer = Producer::open_or_create(
            volume_store_name, {.base_path = volume.live_path(),
                                .memory_limit = 64_MiB,
                                .region_max_bytes = TempStore::region_max_bytes});
        publish(producer, {1, 1}, payload_of(1, 1, 5000));
        publish(producer, {2, 1}, payload_of(2, 1, 500));
        Consumer consumer = Consumer::attach(volume_store_name, {.base_path = volume.live_path()});
        export_dimensions(consumer.snapshot(), volume);
    }
};

std::string failures(const AccessReport& report) {
    std::string text;
    for (const AccessStep& step : report.steps) {
        if (step.error) {
            text += step.what + ": " + step.error->what() + "\n";
        }
    }
    return text;
}

std::string names_below(const fs::path& path) {
    std::string names;
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
        names += entry.path().string() + "\n";
    }
    return names;
}

}  // namespace

TEST_CASE("who owns a volume can do everything, and nothing stays of it") {
    const TempVolume temp;
    const std::string before = names_below(temp.volume.path());
    const AccessReport report = check_access(temp.volume);
    CHECK(failures(report) == "");
    CHECK(report.ok());
    CHECK(report.user == ::geteuid());
    CHECK(report.consumer_could_write);
    // 5 directories, a store, the live store; 3 directories, two for the store, 14 archives.
    CHECK(report.steps.size() == 5 + 1 + 1 + 3 + 2 + 1 + 14);
    REQUIRE(report.places.size() == 5);
    CHECK(report.places[0].path == temp.volume.path());
    for (const VolumePlace& place : report.places) {
        CHECK(place.found);
        CHECK(place.mode == 0755);
        CHECK(place.owner == ::geteuid());
        CHECK(place.file_system == "tmpfs");
        CHECK(!place.read_only);
    }
    CHECK(names_below(temp.volume.path()) == before);
    CHECK(check_access(temp.volume, {.producer = false}).ok(VolumeRole::consumer));
    CHECK(check_access(temp.volume, {.producer = false}).steps.size() == 20);
    CHECK(check_access(temp.volume, {.consumer = false}).steps.size() == 7);
}

TEST_CASE("damage and missing directories are steps that fail, and hide no other") {
    const TempVolume temp;
    fs::remove(temp.volume.archive_path(3) / "index.json");
    fs::remove_all(temp.volume.temp_path());
    FileEditor(temp.volume.archive_path(1) / "region.mmap").write<char>(300, '#');
    const AccessReport report = check_access(temp.volume);
    CHECK(std::ranges::count_if(
              report.steps, [](const AccessStep& step) { return step.error.has_value(); }) == 3);
    CHECK(!report.places[4].found);
    CHECK(!report.ok(VolumeRole::producer));
    CHECK(!report.ok(VolumeRole::consumer));
    CHECK(contains(failures(report), "D03/index.json"));
    CHECK(contains(failures(report), "D01/region.mmap"));
    CHECK(contains(failures(report), "/temp"));
}

TEST_CASE("another user may consume and not produce, and is told why") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempVolume temp;
    Child other = Child::start([&](Channel&) {
        become_user(nobody);
        const AccessReport report = check_access(temp.volume);
        STRATA_REQUIRE_EQ(report.user, nobody);
        STRATA_REQUIRE(!report.consumer_could_write);
        STRATA_REQUIRE(!report.ok(VolumeRole::producer));
        for (const AccessStep& step : report.steps) {
            if (step.role == VolumeRole::consumer) {
                STRATA_REQUIRE_EQ(step.error ? step.error->what() : "", "");
            } else {
                STRATA_REQUIRE(step.error.has_value());
                STRATA_REQUIRE(step.error->code() == Errc::permission_denied);
                STRATA_REQUIRE(contains(step.error->hint(), "user 65534"));
                STRATA_REQUIRE(contains(step.error->hint(), "mode 0755"));
                STRATA_REQUIRE(contains(step.error->hint(), "belongs to user 0"));
                STRATA_REQUIRE(contains(step.error->hint(), "tmpfs mounted at"));
            }
        }
    });
    CHECK(other.join() == "");
}

TEST_CASE("a closed volume is a step that fails, not an absent one") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempVolume temp;
    ::chmod(temp.volume.live_path().c_str(), 0700);
    Child other = Child::start([&](Channel&) {
        become_user(nobody);
        const AccessReport report = check_access(temp.volume, {.producer = false});
        STRATA_REQUIRE(!report.ok());
        STRATA_REQUIRE(!report.places[2].found);
        STRATA_REQUIRE(contains(failures(report), "list the directory"));
    });
    CHECK(other.join() == "");
}

TEST_CASE("in a container with a read-only mount consumers read, and producers are told") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempVolume temp;
    const fs::path inside = temp.base.path() / "inside";
    fs::create_directory(inside);
    Child container = Child::start([&](Channel& channel) {
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount(temp.volume.path().c_str(), inside.c_str(), nullptr, MS_BIND, nullptr) != 0) {
            channel.send(0);  // such mounts are not permitted here
            return;
        }
        STRATA_REQUIRE_EQ(::mount(nullptr, inside.c_str(), nullptr,
                                  MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOEXEC, nullptr),
                          0);
        channel.send(1);
        const Volume volume = Volume::open({.base_path = inside});
        const AccessReport report = check_access(volume);  // as root: the mount decides
        STRATA_REQUIRE(!report.consumer_could_write);
        for (const VolumePlace& place : report.places) {
            STRATA_REQUIRE(place.read_only);
            STRATA_REQUIRE(place.no_exec);
            STRATA_REQUIRE_EQ(place.mount_point, inside.string());
        }
        for (const AccessStep& step : report.steps) {
            if (step.role == VolumeRole::consumer) {
                STRATA_REQUIRE_EQ(step.error ? step.error->what() : "", "");
            } else {
                STRATA_REQUIRE(step.error.has_value());
                STRATA_REQUIRE_EQ(step.error->errno_value(), EROFS);
                STRATA_REQUIRE(contains(step.error->hint(), "read-only"));
                STRATA_REQUIRE(contains(step.error->hint(), "ro,noexec"));
            }
        }
    });
    const std::uint64_t mounted = container.receive();
    CHECK(container.join() == "");
    STRATA_SKIP_IF(mounted == 0, "mount namespaces are not permitted here");
}

TEST_CASE("a mount is told with its own options, also at a name with blanks") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempBase base;
    const fs::path point = base.path() / "a b\\c";
    fs::create_directory(point);
    Child other = Child::start([&](Channel& channel) {
        if (::unshare(CLONE_NEWNS) != 0 ||
            ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
            ::mount("none", point.c_str(), "tmpfs", MS_NOEXEC, "size=1m") != 0) {
            channel.send(0);
            return;
        }
        channel.send(1);
        const auto directory = ipc::os::open_directory(point.string());
        const auto mount = ipc::os::mount_of(directory.value.get());
        STRATA_REQUIRE_EQ(mount.error, 0);
        STRATA_REQUIRE_EQ(mount.value.type, "tmpfs");
        STRATA_REQUIRE_EQ(mount.value.point, point.string());
        STRATA_REQUIRE(mount.value.no_exec);
        STRATA_REQUIRE(!mount.value.read_only);
        STRATA_REQUIRE(contains(mount.value.options, "size=1024k"));
    });
    const std::uint64_t mounted = other.receive();
    CHECK(other.join() == "");
    STRATA_SKIP_IF(mounted == 0, "mount namespaces are not permitted here");
}
