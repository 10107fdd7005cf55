// SPDX-License-Identifier: Apache-2.0
// What `info` tells of a volume, and that one thing that cannot be read hides no other.
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/os/other_processes.hpp"
#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/store_editor.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/volume_info.hpp>
#include <strata/volume_transfer.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;
namespace os = strata::ipc::os;

namespace {

struct TempVolume {
    TempBase base;
    Volume volume =
        Volume::init({.base_path = base.path() / "v", .initial_size = 64_KiB, .max_size = 32_MiB});

    Producer produce() const {
        Producer producer = Producer::open_or_create(
            volume_store_name, {.base_path = volume.live_path(),
                                .memory_limit = 64_MiB,
                                .region_max_bytes = TempStore::region_max_bytes});
        Batch batch = producer.batch();
        batch.add_dimension(2, DimensionOptions{.name = "Cognition", .own_region = true});
        batch.put({1, 1}, payload_of(1, 1, 5000));
        batch.put({2, 1}, payload_of(2, 1, 70'000));
        batch.crystallize();
        return producer;
    }
    Consumer attach() const {
        return Consumer::attach(volume_store_name, {.base_path = volume.live_path()});
    }
};

const AttachedProcess* find(const LiveStoreInfo& store, std::int64_t process) {
    const auto found = std::ranges::find(store.attached, process, &AttachedProcess::process);
    return found == store.attached.end() ? nullptr : &*found;
}

}  // namespace

TEST_CASE("a live store tells its files, what is in memory, and its generations") {
    const TempVolume temp;
    Producer producer = temp.produce();
    const Generation durable = producer.checkpoint();
    publish(producer, {1, 2}, "newer");
    const VolumeInfo info = volume_info(temp.volume);
    REQUIRE(info.stores.size() == 1);
    const LiveStoreInfo& store = info.stores[0];
    REQUIRE(!store.error);
    CHECK(store.name == volume_store_name);
    CHECK(store.generation == producer.generation());
    CHECK(store.durable_generation == durable);
    CHECK(!store.durability_lost);
    CHECK(store.layers == 3);
    REQUIRE(store.dimensions.size() == 2);
    CHECK(store.dimensions[0].serial != store.dimensions[1].serial);
    std::uint64_t region_files = 0;
    for (const VolumeFile& file : store.files) {
        CAPTURE(file.name);
        struct stat status {};
        REQUIRE(::stat((store.path / file.name).c_str(), &status) == 0);
        CHECK(file.size_bytes == static_cast<std::uint64_t>(status.st_size));
        region_files += file.name.starts_with("region-") ? 1 : 0;
        REQUIRE(file.residency);
        // In shared memory everything that it takes is in memory.
        CHECK(file.residency->resident_bytes == file.allocated_bytes);
    }
    CHECK(region_files == 2);
    CHECK(store.allocated_bytes <= store.memory_limit);
    CHECK(info.own_faults.minor > 0);
}

TEST_CASE("those who are attached are found, with their roles, pins and page faults") {
    const TempVolume temp;
    Child producer = Child::start([&](Channel& channel) {
        const Producer own = temp.produce();
        channel.send(1);
        channel.receive_or_end();
    });
    REQUIRE(producer.receive() == 1);
    Child reader = Child::start([&](Channel& channel) {
        ::prctl(PR_SET_NAME, ") R 1 (2");  // stands in what is read of it
        Consumer consumer = temp.attach();
        const Snapshot snapshot = consumer.snapshot();
        STRATA_REQUIRE_EQ(snapshot.get({1, 1}).size(), std::size_t{5000});
        channel.send(1);
        channel.receive_or_end();
    });
    REQUIRE(reader.receive() == 1);
    Child idle = Child::start([&](Channel& channel) {
        const Consumer consumer = temp.attach();  // holds nothing
        channel.send(1);
        channel.receive_or_end();
    });
    REQUIRE(idle.receive() == 1);

    const LiveStoreInfo store = live_store_info(volume_store_name, temp.volume.live_path());
    REQUIRE(!store.error);
    CHECK(store.producer_pid == producer.pid());
    CHECK(store.readers == 1);
    CHECK(store.attached.size() == 3);
    for (const auto& [pid, is_producer, pins] :
         {std::tuple(producer.pid(), true, 0U), std::tuple(reader.pid(), false, 1U),
          std::tuple(idle.pid(), false, 0U)}) {
        const AttachedProcess* const process = find(store, pid);
        REQUIRE(process);
        CHECK(process->producer == is_producer);
        CHECK(process->pins == pins);
        REQUIRE(process->faults);
        CHECK(process->faults->minor > 0);
    }
    CHECK(producer.kill_and_join().empty());
    CHECK(reader.kill_and_join().empty());
    const LiveStoreInfo later = live_store_info(volume_store_name, temp.volume.live_path());
    CHECK(!later.producer_pid);
    CHECK(later.attached.size() == 1);
}

TEST_CASE("page faults are those that the kernel counts") {
    const os::PageFaults before = os::own_page_faults();
    const auto of_self = os::page_faults_of(::getpid());
    const os::PageFaults after = os::own_page_faults();
    REQUIRE(of_self);
    CHECK(of_self.value.minor >= before.minor);
    CHECK(of_self.value.minor <= after.minor);
    CHECK(of_self.value.major >= before.major);
    CHECK(of_self.value.major <= after.major);
    Child gone = Child::start([](Channel&) {});
    const pid_t pid = gone.pid();
    CHECK(gone.join().empty());
    CHECK(os::page_faults_of(pid).error == ENOENT);
}

TEST_CASE("an archive tells its generation and its age") {
    const TempVolume temp;
    Producer producer = temp.produce();
    Consumer consumer = temp.attach();
    const auto before = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    export_dimensions(consumer.snapshot(), temp.volume);
    const VolumeInfo info = volume_info(temp.volume);
    REQUIRE(info.archives.size() == 14);
    const ArchiveInfo& archive = info.archives[1];
    CHECK(!archive.error);
    CHECK(archive.dimension == 2);
    CHECK(archive.name == "Cognition");
    CHECK(archive.layers == 1);
    CHECK(archive.content_bytes == 70'000);
    CHECK(archive.live_generation == producer.generation());
    REQUIRE(archive.updated);
    CHECK(*archive.updated >= before);
    CHECK(*archive.updated <= std::chrono::system_clock::now());
    CHECK(archive.region.size_bytes == 256 + 73'728);
    REQUIRE(archive.region.residency);
    CHECK(archive.region.residency->resident_bytes >= archive.region.size_bytes);
    CHECK(info.archives[5].live_generation == 0);  // made by init
}

TEST_CASE("a time that is no time is told as text alone") {
    const TempVolume temp;
    const fs::path index = temp.volume.archive_path(3) / "index.json";
    const auto updated = [&](const std::string& text) {
        std::ofstream(index) << R"({"dimension_id": 3, "layer_count": 0, "total_size": 256, )"
                             << R"("layers": [], "updated_at": ")" << text << "\"}";
        const ArchiveInfo archive = volume_info(temp.volume).archives[2];
        CHECK(!archive.error);
        CHECK(archive.updated_at == text);
        return archive.updated;
    };
    using namespace std::chrono;
    const auto known = sys_days(2024y / February / 29d) + 23h + 59min + 60s;
    CHECK(updated("2024-02-29T23:59:60Z") == known);
    CHECK(updated("2024-02-29T23:59:60.25Z") == known);
    for (const char* const text :
         {"", "Z", "yesterday", "2023-02-29T00:00:00Z", "2024-02-29T24:00:00Z",
          "2024-02-29T23:59:60", "2024-02-29 23:59:60Z", "2024-02-29T23:59:60+01:00",
          "2024-02-29T23:59:60.Z2Z", "2024-02-29T23:59:6oZ"}) {
        CAPTURE(std::string_view(text));
        CHECK(!updated(text));
    }
}

TEST_CASE("what cannot be read is named and hides nothing else") {
    const TempVolume temp;
    { const Producer producer = temp.produce(); }
    std::ofstream(temp.volume.archive_path(1) / "index.json") << "{";
    fs::remove(temp.volume.archive_path(2) / "region.mmap");
    fs::create_directory(temp.volume.live_path() / "broken");
    std::ofstream(temp.volume.live_path() / "broken" / "control.mmap") << "no store";
    const VolumeInfo info = volume_info(temp.volume);
    REQUIRE(info.stores.size() == 2);
    REQUIRE(info.stores[0].error);
    CHECK(info.stores[0].name == "broken");
    CHECK(!info.stores[1].error);
    REQUIRE(info.archives.size() == 14);
    REQUIRE(info.archives[0].error);
    CHECK(info.archives[0].error->code() == Errc::corrupt);
    REQUIRE(info.archives[1].error);
    CHECK(info.archives[1].error->code() == Errc::file_not_found);
    CHECK(!info.archives[1].region.residency);
    CHECK(!info.archives[1].region.why_unknown.empty());
    CHECK(!info.archives[2].error);
    const LiveStoreInfo none = live_store_info("none", temp.volume.live_path());
    REQUIRE(none.error);
    CHECK(none.error->code() == Errc::store_not_found);
    fs::remove_all(temp.volume.archives_path());
    CHECK(code_of([&] { (void)volume_info(temp.volume); }) == "file_not_found");
}

TEST_CASE("another user is told what he may know") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempVolume temp;
    ::chmod(temp.base.path().c_str(), 0755);
    const Producer producer = temp.produce();
    ::chmod((temp.volume.archive_path(1) / "index.json").c_str(), 0600);
    Child other = Child::start([&](Channel&) {
        become_user(nobody);
        const VolumeInfo info = volume_info(temp.volume);
        STRATA_REQUIRE_EQ(info.stores.size(), std::size_t{1});
        STRATA_REQUIRE(!info.stores[0].error);
        STRATA_REQUIRE(!find(info.stores[0], ::getppid()));  // not for this user to look into
        STRATA_REQUIRE(info.stores[0].producer_pid.has_value());
        STRATA_REQUIRE(info.archives[0].error.has_value());
        STRATA_REQUIRE(info.archives[0].error->code() == Errc::permission_denied);
        STRATA_REQUIRE(!info.archives[0].index.residency);
        STRATA_REQUIRE(!info.archives[0].index.why_unknown.empty());
        STRATA_REQUIRE(!info.archives[1].error);
    });
    CHECK(other.join() == "");
}
