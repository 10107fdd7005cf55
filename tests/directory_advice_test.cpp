// SPDX-License-Identifier: Apache-2.0
// What the kernel is advised about files of directories, and what is in memory afterwards.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <dlfcn.h>
#include <fcntl.h>
#include <fstream>
#include <string>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/files.hpp"
#include "tests/support/system_calls.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t chunk = 1 << 20;

/// What this thread last advised the kernel about a file, and about a mapping.
struct Advised {
    off_t offset = -1;
    off_t bytes = -1;
    int advice = -1;
};
struct AdvisedMapping {
    const std::byte* begin = nullptr;
    std::size_t bytes = 0;
    int advice = -1;

    const std::byte* end() const noexcept { return begin + bytes; }
};
thread_local Advised last_advised;
thread_local AdvisedMapping last_advised_mapping;

}  // namespace

#if STRATA_OWN_SYSTEM_CALLS
// The C library's names: the program's own, which note what they are asked for.
extern "C" int posix_fadvise(int fd, off_t offset, off_t bytes, int advice) noexcept {
    last_advised = {offset, bytes, advice};
    static const auto real =
        reinterpret_cast<decltype(&::posix_fadvise)>(::dlsym(RTLD_NEXT, "posix_fadvise"));
    return real(fd, offset, bytes, advice);
}
extern "C" int madvise(void* begin, size_t bytes, int advice) noexcept {
    last_advised_mapping = {static_cast<const std::byte*>(begin), bytes, advice};
    static const auto real = reinterpret_cast<decltype(&::madvise)>(::dlsym(RTLD_NEXT, "madvise"));
    return real(begin, bytes, advice);
}
#endif

TEST_CASE("advice that was given later outlives a preload") {
    TempFiles files;
    files.make("data", 4 * chunk);
    const MappedDirectory directory(files.path(), {.chunk_power = 30});
    const MappedInput input = directory.open("data", {.context = ReadContext::look_up});
    const auto flags = [&] {
        const FileView view = input.view(0, 1);
        char address[32];
        std::snprintf(address, sizeof address, "%zx-",
                      static_cast<std::size_t>(reinterpret_cast<std::uintptr_t>(view.data())));
        std::ifstream maps("/proc/self/smaps");
        bool ours = false;
        for (std::string line; std::getline(maps, line);) {
            ours = ours || line.starts_with(address);
            if (ours && line.starts_with("VmFlags:")) {
                return line;
            }
        }
        return std::string();
    };
    CHECK(flags().find(" rr") != std::string::npos);
    input.preload();
    CHECK(flags().find(" rr") != std::string::npos);
    input.advise(ReadAdvice::sequential);
    input.preload();
    CHECK(flags().find(" sr") != std::string::npos);
    CHECK(flags().find(" rr") == std::string::npos);
}

TEST_CASE("a prefetch of what is not mapped advises that part of the file") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer the calls cannot be watched");
    TempFiles files;
    files.make("data", 4 * chunk);
    const BufferedDirectory directory(files.path());
    const MappedInput input = directory.open("data");
    const MappedInput slice = input.slice("s", chunk, 2 * chunk);
    const auto advised = [](const MappedInput& what, std::uint64_t offset, std::uint64_t size) {
        last_advised = {};
        CHECK(what.prefetch(offset, size));
        CHECK(last_advised.advice == POSIX_FADV_WILLNEED);
        return std::pair(last_advised.offset, last_advised.bytes);
    };
    CHECK(advised(input, 0, 4 * chunk) == std::pair<off_t, off_t>(0, 4 * chunk));
    CHECK(advised(input, 5000, 100) == std::pair<off_t, off_t>(5000, 100));
    CHECK(advised(slice, 0, 2 * chunk) == std::pair<off_t, off_t>(chunk, 2 * chunk));
    CHECK(advised(slice, 5000, 100) == std::pair<off_t, off_t>(chunk + 5000, 100));
}

TEST_CASE("a small prefetch of what is mapped advises the pages of that part") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer the calls cannot be watched");
    TempFiles files;
    files.make("data", 4 * chunk);
    const MappedDirectory directory(files.path());
    const MappedInput input = directory.open("data");
    REQUIRE(input.backing() == Backing::mapped);
    const MappedInput slice = input.slice("s", chunk, 2 * chunk);
    const auto page = static_cast<std::ptrdiff_t>(::sysconf(_SC_PAGESIZE));
    const auto check = [&](const MappedInput& what, std::uint64_t offset, std::uint64_t size) {
        const FileView view = what.view(offset, size);
        last_advised_mapping = {};
        CHECK(what.prefetch(offset, size));
        CHECK(last_advised_mapping.advice == MADV_WILLNEED);
        CHECK(last_advised_mapping.begin <= view.data());
        CHECK(last_advised_mapping.begin > view.data() - page);
        CHECK(last_advised_mapping.end() >= view.data() + size);
        CHECK(last_advised_mapping.end() < view.data() + size + page);
    };
    check(input, 0, 100);
    check(input, 50'000, 100'000);
    check(slice, 0, 100);
    check(slice, 50'000, 100'000);
    CHECK(directory.statistics().prefetches == 4);
    CHECK(directory.statistics().prefetches_dropped == 0);
}

TEST_CASE("residency and preload: what was asked for is in memory afterwards") {
    TempFiles files;
    files.make("data", 3 * chunk);
    const MappedDirectory directory(files.path(), {.chunk_power = 20});
    const MappedInput input = directory.open("data", {.preload = true});
    CHECK(input.residency().bytes == 3 * chunk);
    CHECK(input.residency().resident_bytes == 3 * chunk);
    CHECK(input.slice("s", 10, chunk).residency().resident_bytes >= chunk);
    CHECK(directory.residency("data").resident_bytes == 3 * chunk);
    // Nothing of a hole is, until it is asked for.
    files.make_sparse("hole", 8 * chunk);
    const MappedInput hole = directory.open("hole");
    CHECK(hole.residency().resident_bytes == 0);
    hole.preload(chunk / 2, chunk);
    CHECK(hole.residency().resident_bytes >= chunk);
    CHECK(hole.residency().resident_bytes < 4 * chunk);
    CHECK(hole.prefetch(4 * chunk, 4 * chunk));
    directory.wait_for_prefetches();
    CHECK(hole.slice("end", 4 * chunk, 4 * chunk).residency().resident_bytes == 4 * chunk);
    CHECK(directory.statistics().prefetches == 1);
    // Also when the name is gone: by the mapping.
    directory.remove("hole");
    CHECK(hole.slice("end", 4 * chunk, 4 * chunk).residency().resident_bytes == 4 * chunk);
    CHECK_FALSE(hole.residency().exact);
}

TEST_CASE("the context says how the kernel is advised") {
    TempFiles files;
    files.make("data", chunk);
    std::vector<std::string> asked;
    const MappedDirectory directory(
        files.path(), {.group_files_up_to = 0, .advice = [&](std::string_view name, ReadContext c) {
                           asked.emplace_back(name);
                           return c == ReadContext::merge ? ReadAdvice::random : advice_of(c);
                       }});
    const auto flags_of = [&](const MappedInput& input) {
        // "rr": random, "sr": sequential.
        const FileView first = input.view(0, 1);
        char line[64];
        std::snprintf(line, sizeof line, "%lx-", reinterpret_cast<unsigned long>(first.data()));
        std::ifstream smaps("/proc/self/smaps");
        std::string text;
        bool mine = false;
        while (std::getline(smaps, text)) {
            mine = mine || text.starts_with(line);
            if (mine && text.starts_with("VmFlags:")) return text + " ";
        }
        return std::string("none");
    };
    const auto has = [](const std::string& flags, const char* flag) {
        return flags.find(flag) != std::string::npos;
    };
    const MappedInput normal = directory.open("data");
    const MappedInput look_up = directory.open("data", {.context = ReadContext::look_up});
    const MappedInput once = directory.open("data", {.context = ReadContext::read_once});
    const MappedInput merge = directory.open("data", {.context = ReadContext::merge});
    CHECK(asked == std::vector<std::string>{"data", "data", "data", "data"});
    CHECK_FALSE(has(flags_of(normal), " rr "));
    CHECK_FALSE(has(flags_of(normal), " sr "));
    CHECK(has(flags_of(look_up), " rr "));
    CHECK(has(flags_of(once), " sr "));
    CHECK(has(flags_of(merge), " rr "));
    once.advise(ReadAdvice::normal);
    CHECK_FALSE(has(flags_of(once), " sr "));
    // One mapping for each advice, shared by all that were opened for it.
    CHECK(directory.statistics().mappings == 3);
    CHECK(directory.statistics().shared == 1);
    CHECK(advice_of(ReadContext::merge) == ReadAdvice::sequential);
    CHECK(advice_of(ReadContext::normal) == ReadAdvice::normal);
}
