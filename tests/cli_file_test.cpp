// SPDX-License-Identifier: Apache-2.0
// strata file: cat, checksum, preload, residency, and what they say when something is wrong.
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/command.hpp"
#include "tests/support/files.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t size = (3 << 20) + 17;

std::string text_at(std::uint64_t position, std::size_t bytes) {
    std::string text;
    for (std::size_t i = 0; i < bytes; ++i) {
        text += static_cast<char>(byte_at(position + i));
    }
    return text;
}

}  // namespace

TEST_CASE("cat writes a file or a part of it, mapped in small chunks or buffered") {
    TempFiles files;
    files.make("data", size);
    const Strata strata(files.path());
    const std::string file = files.file("data").string();
    for (const std::vector<std::string>& how :
         {std::vector<std::string>{}, {"--chunk-power", "20"}, {"--buffered"}}) {
        const auto cat = [&](std::vector<std::string> words) {
            words.insert(words.begin(), {"file", "cat", file});
            words.insert(words.end(), how.begin(), how.end());
            return strata(words);
        };
        CHECK((cat({}).out == text_at(0, size)));
        CHECK((cat({"--offset", "0xFFFF0", "--size", "100"}).out == text_at(0xFFFF0, 100)));
        CHECK((cat({"--offset", std::to_string(size - 5)}).out == text_at(size - 5, 5)));
        CHECK(cat({"--size", "0"}).out.empty());
        const CommandResult beyond = cat({"--offset", std::to_string(size), "--size", "1"});
        CHECK(beyond.code == 2);
        CHECK(contains(beyond.err, "1 bytes at " + std::to_string(size)));
        CHECK(cat({"--offset", "-1"}).code == 2);
        CHECK(cat({"--size", "12k"}).code == 2);
    }
    CHECK(strata({"file", "cat", file, file}).out.size() == 2 * size);
}

TEST_CASE("checksum, preload and residency, as text and as JSON") {
    TempFiles files;
    files.make("data", size);
    files.make_sparse("hole", 8 << 20);
    const Strata strata(files.path());
    const std::string file = files.file("data").string();
    const std::string hole = files.file("hole").string();

    char sum[20];
    std::snprintf(
        sum, sizeof sum, "%016llx",
        static_cast<unsigned long long>(BufferedDirectory(files.path()).open("data").checksum()));
    CHECK(strata({"file", "checksum", file}).out == std::string(sum) + "  " + file + "\n");
    const auto sums = strata.json({"file", "checksum", file, hole});
    CHECK(sums.size() == 2);
    CHECK(sums[0]["xxh3_64"] == sum);
    CHECK(sums[1]["size"] == 8 << 20);

    CHECK(strata.json({"file", "residency", file})[0]["resident_bytes"] >= size);
    const auto before = strata.json({"file", "residency", hole, "--size", "0x400000"});
    CHECK(before[0]["bytes"] == 4 << 20);
    const CommandResult loaded = strata({"file", "preload", hole, "--size", "1048576"});
    CHECK(loaded.code == 0);
    CHECK(contains(loaded.out, "of 1 MiB in memory after"));
    CHECK(strata.json({"file", "residency", hole})[0]["resident_bytes"] >= 1 << 20);
    CHECK(contains(strata({"file", "residency", hole}).out, "IN MEMORY"));
}

TEST_CASE("asking for the residency of a small file does not bring it into memory") {
    // On a disk: files in shared memory are always in memory.
    const std::filesystem::path folder =
        std::filesystem::temp_directory_path() / ("strata-residency-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    const BufferedDirectory directory(folder);
    directory.write_file("small", std::string(8192, 'x'));
    const std::string file = (folder / "small").string();
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
    const bool dropped = directory.residency("small").resident_bytes == 0;
    const auto told = Strata(folder).json({"file", "residency", file});
    std::filesystem::remove_all(folder);
    STRATA_SKIP_IF(!dropped, "this file system keeps pages");
    CHECK(told[0]["bytes"] == 8192);
    CHECK(told[0]["resident_bytes"] == 0);
}

TEST_CASE("errors of files have the usual exit codes") {
    TempFiles files;
    files.make("data", 100);
    const Strata strata(files.path());
    const CommandResult missing = strata({"file", "cat", files.file("none").string()});
    CHECK(missing.code == 3);
    CHECK(contains(missing.err, files.file("none").string()));
    CHECK(strata({"file", "cat", files.path().string()}).code == 2);
    CHECK(strata({"file", "cat", files.file("data").string(), "--chunk-power", "50"}).code == 2);
    CHECK(strata({"file"}).code == 2);
    for (const char* action :
         {"preload", "residency"}) {  // there is nothing to do without a mapping
        CHECK(strata({"file", action, files.file("data").string(), "--buffered"}).code == 2);
    }
    CHECK(strata({"file", "cat"}).code == 2);
    CHECK(strata({"file", "--help"}).code == 0);
    CHECK(contains(strata({"completion", "bash"}).out, "cat checksum preload residency"));
}
