// SPDX-License-Identifier: Apache-2.0
// A disk that fails under files that are open: a file system in an image on a loop device, of which
// the end goes away. Needs root, loop devices that read past the page cache, and mkfs.ext4.
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <sys/mount.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/files.hpp"
#include "tests/support/loop_disk.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t mib = 1 << 20;
constexpr std::uint64_t size = 48 * mib;
constexpr std::uint64_t lost_at = 47 * mib;
constexpr std::uint64_t disk_bytes = 64 * mib;
constexpr std::uint64_t bytes_left = 20 * mib;  // too little for the file, enough for its start

/// A file `data` on a file system of this process's own, of whose bytes none are in memory.
bool make_disk(LoopDisk& disk) {
    if (!own_mounts() || !disk.format("ext4", disk_bytes, "-b 4096 -O ^has_journal") ||
        !disk.mount(0, LoopAccess::direct)) {
        return false;
    }
    {
        const auto bytes = bytes_at(0, size);
        std::ofstream out(disk.mounted() / "data", std::ios::binary);
        out.write(reinterpret_cast<const char*>(bytes.data()),
                  static_cast<std::streamsize>(bytes.size()));
        out.close();
        if (!out) return false;
    }
    return disk.unmount() && disk.mount(MS_RDONLY, LoopAccess::direct);
}

void require_eio(const std::filesystem::path& path, const std::optional<Error>& error) {
    STRATA_REQUIRE(error.has_value());
    STRATA_REQUIRE_EQ(to_string(error->code()), to_string(Errc::system));
    STRATA_REQUIRE_EQ(error->errno_value(), EIO);
    STRATA_REQUIRE_EQ(error->path(), path.string());
}

void read_failing_disk(const LoopDisk& disk) {
    const auto path = disk.mounted() / "data";
    const MappedDirectory mapped(disk.mounted(), {.chunk_power = 20});
    const BufferedDirectory buffered(disk.mounted());
    MappedInput input = mapped.open("data", {.context = ReadContext::look_up});
    MappedInput by_calls = buffered.open("data", {.context = ReadContext::look_up});
    const FileView view = input.view(lost_at + 4096, 100);
    std::filesystem::resize_file(disk.image(), bytes_left);

    STRATA_REQUIRE_EQ(input.read_u8(), byte_at(0));
    STRATA_REQUIRE_EQ(by_calls.read_u8(), byte_at(0));
    by_calls.seek(lost_at);
    require_eio(path, error_of([&] { static_cast<void>(by_calls.read_u64_le()); }));
    STRATA_REQUIRE_EQ(by_calls.position(), lost_at);
    by_calls.seek(1);  // what is there as well, as through a mapping
    require_eio(path, error_of([&] { static_cast<void>(by_calls.read_u8()); }));
    MappedInput by_calls_again = buffered.open("data", {.context = ReadContext::look_up});
    STRATA_REQUIRE_EQ(by_calls_again.read_u8(), byte_at(0));

    {
        const ReadGuard guard;
        STRATA_REQUIRE_EQ(static_cast<unsigned>(view.bytes()[0]), 0U);
        STRATA_REQUIRE(guard.faulted());
    }
    input.seek(lost_at);
    std::vector<std::byte> block(8192);
    require_eio(path, error_of([&] { input.read(block); }));
    STRATA_REQUIRE_EQ(input.position(), lost_at);
    require_eio(path, error_of([&] { input.check(); }));
    require_eio(path, error_of([&] { static_cast<void>(input.view(0, 1)); }));

    // Opened anew it is tried anew: the start is there, the end is not.
    MappedInput again = mapped.open("data", {.context = ReadContext::look_up});
    STRATA_REQUIRE_EQ(again.read_u8(), byte_at(0));
    again.check();
    require_eio(path, error_of([&] { again.preload(); }));
    require_eio(path, error_of([&] { again.check(); }));
}

}  // namespace

TEST_CASE("a disk that fails: typed errors with EIO from copies, zeros and a word from views") {
    STRATA_SKIP_UNLESS_ROOT();
    LoopDisk disk;
    Child trial = Child::start([&](const Channel&) { STRATA_REQUIRE(make_disk(disk)); });
    STRATA_SKIP_IF(!trial.join().empty(), "no loop device with direct I/O, or no mkfs.ext4");
    Child child = Child::start([&](const Channel&) {
        STRATA_REQUIRE(make_disk(disk));
        read_failing_disk(disk);
    });
    CHECK(child.join() == "");
}
