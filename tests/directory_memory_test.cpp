// SPDX-License-Identifier: Apache-2.0
// Directories and inputs without memory: what a file asks for falls back or is a typed error that
// says how much it was; what is left over is nothing.
#include <cstdint>
#include <new>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/failing_allocations.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t chunk = 1 << 20;

}  // namespace

TEST_CASE("a small file that there is no block for is read through a buffer, which is reported") {
    const TempFiles files;
    files.make("small", 5000);
    unsigned told = 0;
    const MappedDirectory directory(
        files.path(), {.on_fallback = [&](const MappingFallback& fallback) {
            ++told;
            CHECK(fallback.path == files.file("small").string());
            CHECK(fallback.size == 5000);
            CHECK(fallback.reason.code() == Errc::limit_exceeded);
            CHECK(fallback.reason.operation() == "group");
            CHECK(fallback.reason.needed() == 256_KiB);
            CHECK(fallback.reason.detail().find("5000 bytes") != std::string::npos);
            CHECK(fallback.reason.detail().find("ulimit -v") != std::string::npos);
            CHECK(fallback.reason.hint().find("group_files_up_to") != std::string::npos);
        }});
    MappedInput input;
    {
        const FailAbove limit(100'000);
        input = directory.open("small");
    }
    CHECK(told == 1);
    CHECK(input.backing() == Backing::buffered);
    CHECK(directory.statistics().fallbacks == 1);
    CHECK(directory.statistics().grouped_bytes == 0);
    std::vector<std::byte> bytes(5000);
    input.read(bytes);
    CHECK(bytes == bytes_at(0, 5000));
    {
        const FailAbove limit(100'000);
        const auto error = error_of(
            [&] { (void)MappedDirectory(files.path(), {.fall_back = false}).open("small"); });
        REQUIRE(error);
        CHECK(error->code() == Errc::limit_exceeded);
    }
    input = MappedInput();
    CHECK(directory.open("small").backing() == Backing::grouped);  // memory is back
}

TEST_CASE("a list of chunks that there is no memory for is a mapping that fails") {
    const TempFiles files;
    files.make_sparse("data", 20'000 * chunk);
    unsigned told = 0;
    const MappedDirectory directory(
        files.path(), {.chunk_power = 20, .on_fallback = [&](const auto&) { ++told; }});
    {
        const FailAbove limit(100'000);
        CHECK(directory.open("data").backing() == Backing::buffered);
    }
    CHECK(told == 1);
    CHECK(directory.statistics().mappings == 0);
}

TEST_CASE("memory that a read needs and cannot have is a typed error that moves nothing") {
    const TempFiles files;
    const BufferedDirectory directory(files.path(), {.buffer_bytes = 1_MiB});
    const std::string text(300'000, 'x');
    {
        FileOutput out = directory.create("data");
        out.write_string(text);
        out.close();
    }
    const auto expect_error = [&](MappedInput& input, std::uint64_t needed, auto call) {
        const FailAbove limit(100'000);
        const auto error = error_of([&] { call(input); });
        REQUIRE(error);
        CHECK(error->code() == Errc::limit_exceeded);
        CHECK(error->needed() == needed);
        CHECK(error->path() == files.file("data").string());
        CHECK(input.position() == 0);
    };
    MappedInput mapped = MappedDirectory(files.path()).open("data");
    MappedInput buffered = directory.open("data");
    expect_error(mapped, text.size(), [](MappedInput& input) { (void)input.read_string(); });
    expect_error(buffered, 200'000, [](MappedInput& input) { (void)input.view(0, 200'000); });
    expect_error(buffered, 1_MiB, [](MappedInput& input) { (void)input.read_u8(); });
    CHECK(mapped.read_string() == text);
    CHECK(buffered.read_string() == text);
}

TEST_CASE("a checksum needs no memory, and is named in its errors") {
    const TempFiles files;
    files.make("data", 3 * chunk + 5);
    const MappedDirectory mapped(files.path(), {.chunk_power = 20});
    const BufferedDirectory buffered(files.path());
    const std::uint64_t expected = mapped.open("data").checksum();
    for (const FileDirectory& directory : std::vector<FileDirectory>{mapped, buffered}) {
        const MappedInput input = directory.open("data");
        std::uint64_t found = 0;
        {
            const FailAfter none(0);
            found = input.checksum();
        }
        CHECK(found == expected);
        CHECK(input.slice("part", 5, 2 * chunk).checksum() ==
              mapped.open("data").slice("part", 5, 2 * chunk).checksum());
    }
    for (const FileDirectory& directory : std::vector<FileDirectory>{mapped, buffered}) {
        files.make("data", 3 * chunk + 5);
        const MappedInput input = directory.open("data");
        files.resize("data", chunk);
        const auto error = error_of([&] { (void)input.checksum(); });
        REQUIRE(error);
        CHECK(error->operation() == "checksum");
        CHECK(error->code() == Errc::truncated);
    }
}

TEST_CASE("without a thread to be had a preload is the caller's own work") {
    const TempFiles files;
    files.make_sparse("data", 32 * chunk);
    const MappedInput input = MappedDirectory(files.path()).open("data");
    {
        const FailAfter none(0);
        input.preload();
        CHECK(allocations_left == never);  // it did try
    }
    CHECK(input.residency().resident_bytes == 32 * chunk);
}

TEST_CASE("out of memory anywhere in opening and reading leaves no file, mapping or descriptor") {
    const TempFiles files;
    files.make("data", 2 * chunk);
    files.make("small", 1000);
    const MappedDirectory mapped(
        files.path(), {.chunk_power = 20, .idle_files = 1, .on_fallback = [](const auto&) {}});
    const BufferedDirectory buffered(files.path());
    const std::size_t descriptors = descriptors_open();
    for (const FileDirectory& directory : std::vector<FileDirectory>{mapped, buffered}) {
        for (const char* name : {"data", "small"}) {
            std::uint64_t n = 0;
            for (bool failed = true; failed; ++n) {
                CAPTURE(n);
                REQUIRE(n < 1000);
                mapped.trim();
                std::uint64_t sum = 0;
                bool typed = false;
                try {
                    const FailAfter fault(n);
                    MappedInput input = directory.open(name);
                    sum = input.read_u64_le();
                    failed = allocations_left == never;
                } catch (const std::bad_alloc&) {
                } catch (const Error&) {
                    typed = true;
                }
                CHECK((typed || sum == 0 || sum == number_at(0, 8, false)));
                CHECK(descriptors_open() == descriptors);
                CHECK(mapped.statistics().open_files == 0);
            }
            CHECK(n > 2);
        }
    }
    mapped.trim();
    CHECK(mapped.statistics().mappings == 0);
}
