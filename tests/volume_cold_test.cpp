// SPDX-License-Identifier: Apache-2.0
// Layers that are not in memory: they are really read from the disk, by the page, and are right.
// Says how long that takes; what is asserted is what was read, not when.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <system_error>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "ipc/os/other_processes.hpp"
#include "ipc/os/sync.hpp"
#include "tests/skip.hpp"
#include "tests/support/temp_store.hpp"
#include <strata/buffered_directory.hpp>
#include <strata/volume_info.hpp>

using namespace strata;
using namespace strata::test;
namespace fs = std::filesystem;
namespace os = strata::ipc::os;

namespace {

constexpr std::uint64_t layers = 64;
constexpr std::size_t layer_bytes = 256 << 10;

/// A directory on the file system of temporary files.
class DiskDirectory {
public:
    DiskDirectory() {
        std::string pattern = (fs::temp_directory_path() / "strata-cold.XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) {
            throw std::system_error(errno, std::generic_category(), "mkdtemp");
        }
        path_ = pattern;
    }
    DiskDirectory(const DiskDirectory&) = delete;
    DiskDirectory& operator=(const DiskDirectory&) = delete;
    ~DiskDirectory() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    const fs::path& path() const noexcept { return path_; }

    bool in_memory() const {
        const auto directory = os::open_directory(path_.string());
        const auto found = os::is_volatile(directory.value.get());
        REQUIRE(found);
        return found.value;
    }

private:
    fs::path path_;
};

/// What the kernel keeps of a file goes, as far as nobody maps it.
void evict(const fs::path& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    CHECK(::fsync(fd) == 0);
    CHECK(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0);
    ::close(fd);
}

}  // namespace

TEST_CASE(
    "a layer that is not in memory comes from the disk, whole, and the next time from memory") {
    const DiskDirectory disk;
    STRATA_SKIP_IF(disk.in_memory(), "temporary files are in memory here");
    {
        Producer producer =
            Producer::create("cold", {.base_path = disk.path(),
                                      .memory_limit = 64_MiB,
                                      .region_max_bytes = 64_MiB,
                                      .durability = {.policy = DurabilityPolicy::off}});
        Batch batch = producer.batch();
        for (std::uint64_t layer = 0; layer < layers; ++layer) {
            batch.put({1, layer}, payload_of(1, layer, layer_bytes));
        }
        batch.crystallize();
        producer.checkpoint();
    }
    for (const auto& entry : fs::directory_iterator(disk.path() / "cold")) {
        evict(entry.path());
    }
    const BufferedDirectory directory(disk.path() / "cold");
    const std::uint64_t before = directory.residency("region-1.mmap").resident_bytes;
    STRATA_SKIP_IF(before > layers * layer_bytes / 4, "this file system does not give memory back");

    Consumer consumer = Consumer::attach("cold", {.base_path = disk.path()});
    const Snapshot snapshot = consumer.snapshot();
    const auto read_all = [&] {
        std::vector<std::chrono::microseconds> took;
        for (std::uint64_t i = 0; i < layers; ++i) {
            const std::uint64_t layer = i * 29 % layers;  // not in the order in which they lie
            const std::string wanted = payload_of(1, layer, layer_bytes);
            const auto begun = std::chrono::steady_clock::now();
            const bool right = snapshot.get({1, layer}).text() == wanted;
            took.push_back(std::chrono::duration_cast<std::chrono::microseconds>(
                std::chrono::steady_clock::now() - begun));
            CHECK(right);
        }
        std::ranges::sort(took);
        return took;
    };
    const std::uint64_t faults_before = os::own_page_faults().major;
    const auto cold = read_all();
    const std::uint64_t faults_cold = os::own_page_faults().major;
    const auto warm = read_all();
    CHECK(faults_cold > faults_before);
    CHECK(directory.residency("region-1.mmap").resident_bytes > before);
    MESSAGE("256 KiB layers, us: cold p50 ", cold[layers / 2].count(), ", most ",
            cold.back().count(), "; warm p50 ", warm[layers / 2].count(), ", most ",
            warm.back().count(), "; page faults from disk ", faults_cold - faults_before);
}
