// SPDX-License-Identifier: Apache-2.0
// Mapping that fails: errors that name the file and the limit, the fallback that is never silent,
// many files within vm.max_map_count.
#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/mman.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t chunk = 1 << 20;

bool mentions(const Error& error, std::string_view text) {
    return std::string_view(error.what()).find(text) != std::string_view::npos;
}

/// A limit of this process, lowered for a while.
class Limit {
public:
    Limit(__rlimit_resource what, std::uint64_t value) : what_(what) {
        ::getrlimit(what, &before_);
        const rlimit lowered{value, before_.rlim_max};
        REQUIRE(::setrlimit(what, &lowered) == 0);
    }
    Limit(const Limit&) = delete;
    Limit& operator=(const Limit&) = delete;
    ~Limit() { ::setrlimit(what_, &before_); }

private:
    __rlimit_resource what_;
    rlimit before_{};
};

std::uint64_t address_space_used() {
    std::ifstream statm("/proc/self/statm");
    std::uint64_t pages = 0;
    statm >> pages;
    return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t max_map_count() {
    std::ifstream setting("/proc/sys/vm/max_map_count");
    std::uint64_t most = 0;
    setting >> most;
    return most;
}

}  // namespace

TEST_CASE("ulimit -v in the way: the error says so, with its value and what is in use") {
    STRATA_SKIP_IF(sanitized, "the sanitizers take terabytes of address space");
    TempFiles files;
    files.make_sparse("data", 1_GiB);
    const std::uint64_t limit = address_space_used() + 256_MiB;
    const Limit lowered(RLIMIT_AS, limit);
    const auto error = error_of([&] {
        (void)MappedDirectory(files.path(), {.chunk_power = 28, .fall_back = false}).open("data");
    });
    REQUIRE(error);
    CHECK(error->code() == Errc::limit_exceeded);
    CHECK(error->path() == files.file("data").string());
    CHECK(error->needed() == 1_GiB);
    CHECK(error->limit() == limit);
    CHECK(error->current() > 0);
    CHECK(mentions(*error, "1073741824 bytes"));
    CHECK(mentions(*error, "chunk_power 28"));
    CHECK(mentions(*error, "ulimit -v: " + std::to_string(limit)));
    CHECK(error->hint().find("raise `ulimit -v`") != std::string::npos);
}

TEST_CASE("vm.max_map_count in the way: the error names it and larger chunks") {
    STRATA_SKIP_IF(sanitized, "the sanitizers have little address space");
    const std::uint64_t most = max_map_count();
    STRATA_SKIP_IF(most > 200'000, "vm.max_map_count is high here");
    TempFiles files;
    // More chunks than there can be mappings, and fewer, but none would be left for others.
    for (const std::uint64_t chunks : {most + 10, most - 10, most / 8 * 7 + 1}) {
        CAPTURE(chunks);
        files.make_sparse("data", chunks * chunk);
        const std::size_t before = mappings_of_process();
        const auto error = error_of([&] {
            (void)MappedDirectory(files.path(), {.chunk_power = 20, .fall_back = false})
                .open("data");
        });
        REQUIRE(error);
        CHECK(error->code() == Errc::limit_exceeded);
        CHECK(error->limit() == most / 8 * 7);
        CHECK(mentions(*error, "most_mappings: " + std::to_string(most / 8 * 7)));
        CHECK(mentions(*error, "vm.max_map_count: " + std::to_string(most)));
        CHECK(error->hint().find("larger chunk_power") != std::string::npos);
        CHECK(mappings_of_process() <= before + 2);
        // With the default chunks it is one mapping in four.
        CHECK(MappedDirectory(files.path(), {.fall_back = false}).open("data").size() ==
              chunks * chunk);
    }
}

TEST_CASE("no descriptor left: the error counts them; open inputs go on without one") {
    STRATA_SKIP_IF(address_sanitized, "the sanitizer looks at objects through a pipe of its own");
    TempFiles files;
    files.make("data", 2 * chunk);
    files.make("small", 100);
    const MappedDirectory directory(files.path(), {.chunk_power = 20});
    const std::size_t before = descriptors_open();
    MappedInput input = directory.open("data");
    CHECK(descriptors_open() == before);
    const std::size_t highest = [&] {
        const int fd = ::dup(0);
        ::close(fd);
        return static_cast<std::size_t>(fd);
    }();
    const Limit lowered(RLIMIT_NOFILE, highest);
    for (const char* name : {"data", "small"}) {
        const auto error = error_of([&] { (void)directory.open(name); });
        REQUIRE(error);
        CHECK(error->code() == Errc::limit_exceeded);
        CHECK(error->errno_value() == EMFILE);
        CHECK(error->limit() == highest);
        CHECK(error->current() > 0);
        CHECK(mentions(*error, "ulimit -n"));
        CHECK(error->path() == files.file(name).string());
    }
    CHECK(input.clone().read_u64_le() == number_at(0, 8, false));
    CHECK(input.residency().resident_bytes == 2 * chunk);  // without asking the file
    CHECK(code_of([&] { (void)directory.create("new"); }) == "limit_exceeded");
}

TEST_CASE("the fallback is told, counted, and reads the same") {
    STRATA_SKIP_IF(sanitized, "the sanitizers take terabytes of address space");
    TempFiles files;
    files.make("data", 3 * chunk + 5);
    unsigned told = 0;
    const MappedDirectory directory(files.path(),
                                    {.chunk_power = 20, .on_fallback = [&](const auto& fallback) {
                                         ++told;
                                         CHECK(fallback.size == 3 * chunk + 5);
                                         CHECK(mentions(fallback.reason, "ulimit -v"));
                                     }});
    MappedInput input;
    {
        const Limit lowered(RLIMIT_AS, address_space_used() + 2 * chunk);
        input = directory.open("data", {.preload = true});
    }
    CHECK(told == 1);
    CHECK(input.backing() == Backing::buffered);
    CHECK(directory.statistics().fallbacks == 1);
    CHECK(directory.statistics().mappings == 0);
    std::vector<std::byte> bytes(3 * chunk + 5);
    input.read(bytes);
    CHECK(bytes == bytes_at(0, bytes.size()));
    CHECK(input.checksum() == BufferedDirectory(files.path()).open("data").checksum());
}

TEST_CASE("without a callback the fallback writes a line on standard error") {
    STRATA_SKIP_IF(sanitized, "the sanitizers take terabytes of address space");
    TempFiles files;
    files.make("data", 3 * chunk);
    Child child = Child::start([&](Channel& channel) {
        int ends[2];
        STRATA_REQUIRE(::pipe(ends) == 0);
        ::dup2(ends[1], STDERR_FILENO);
        {
            const MappedDirectory directory(files.path(), {.group_files_up_to = 0});
            const rlimit lowered{address_space_used() + chunk, RLIM_INFINITY};
            ::setrlimit(RLIMIT_AS, &lowered);
            STRATA_REQUIRE(directory.open("data").read_u8() == byte_at(0));
        }
        char line[2000];
        const ssize_t got = ::read(ends[0], line, sizeof line);
        channel.send_text(std::string(line, static_cast<std::size_t>(got > 0 ? got : 0)));
    });
    const std::string line = child.channel().receive_text();
    CHECK(line.starts_with("strata: read through a buffer: map: " + files.file("data").string()));
    CHECK(line.find("ulimit -v") != std::string::npos);
    CHECK(child.join() == "");
}

TEST_CASE("100,000 open inputs of one file, and of as many small files, take few mappings") {
    constexpr std::uint64_t count = scaled(100'000, 3'000);
    TempFiles files;
    files.make("big", 2 * chunk);
    const MappedDirectory directory(files.path(), {.chunk_power = 20, .fall_back = false});
    const std::size_t before = mappings_of_process();
    const std::size_t descriptors = descriptors_open();
    {
        std::vector<MappedInput> inputs;
        for (std::uint64_t i = 0; i < count; ++i) {
            inputs.push_back(directory.open("big"));
        }
        CHECK(directory.statistics().open_files == 1);
        CHECK(directory.statistics().mappings == 2);
        CHECK(directory.statistics().shared == count - 1);
        CHECK(inputs.back().read_u8() == byte_at(0));
    }
    {
        for (std::uint64_t i = 0; i < count; ++i) {
            FileOutput out = directory.create("small-" + std::to_string(i));
            out.write_u64_le(mixed(i));
            out.close();
        }
        std::vector<MappedInput> inputs;
        for (std::uint64_t i = 0; i < count; ++i) {
            inputs.push_back(directory.open("small-" + std::to_string(i)));
        }
        CHECK(directory.statistics().open_files == count);
        CHECK(mappings_of_process() < before + 1000);
        CHECK(descriptors_open() == descriptors);
        bool all = true;
        for (std::uint64_t i = 0; i < count; ++i) {
            all = all && inputs[i].read_u64_le() == mixed(i);
        }
        CHECK(all);
    }
    CHECK(directory.statistics().open_files == 0);
    CHECK(directory.statistics().mappings == 0);
    CHECK(directory.statistics().grouped_bytes <= 256_KiB);
}

TEST_CASE("directories leave mappings for everybody else, and say when theirs are spent") {
    TempFiles files;
    files.make("a", 3 * chunk);
    files.make("b", 3 * chunk);
    files.make("c", 3 * chunk);
    unsigned told = 0;
    const MappedDirectoryOptions options{
        .chunk_power = 20, .most_mappings = 7, .on_fallback = [&](const MappingFallback& fallback) {
            ++told;
            CHECK(fallback.reason.code() == Errc::limit_exceeded);
            CHECK(fallback.reason.needed() == 3);
            CHECK(fallback.reason.limit() == 7);
            CHECK(fallback.reason.current() == 6);
            CHECK(mentions(fallback.reason, "most_mappings: 7, 6 in use"));
            CHECK(fallback.reason.hint().find("raise the option") != std::string::npos);
        }};
    const MappedDirectory first(files.path(), options);
    const MappedDirectory second(files.path(), options);
    std::vector<MappedInput> inputs;
    inputs.push_back(first.open("a"));
    inputs.push_back(second.open("a"));  // in all directories of the process
    CHECK(first.open("b").backing() == Backing::buffered);
    CHECK(second.open("b").backing() == Backing::buffered);
    CHECK(told == 2);
    inputs.pop_back();
    CHECK(second.open("c").backing() == Backing::mapped);  // what is closed is given back
    inputs.clear();
    CHECK(first.open("b").backing() == Backing::mapped);
}

TEST_CASE("a process whose directories map all that they may has memory, threads, typed errors") {
    STRATA_SKIP_IF(sanitized, "the sanitizers have little address space");
    const std::uint64_t most = max_map_count();
    STRATA_SKIP_IF(most > 200'000, "vm.max_map_count is high here");
    TempFiles files;
    files.make_sparse("most", (most / 8 * 7 - 2) * chunk);
    for (int i = 0; i < 50; ++i) {
        files.make("data-" + std::to_string(i), 2 * chunk);
    }
    unsigned fallbacks = 0;
    const MappedDirectory directory(
        files.path(),
        {.chunk_power = 20, .on_fallback = [&](const MappingFallback&) { ++fallbacks; }});
    std::vector<MappedInput> inputs;
    inputs.push_back(directory.open("most"));
    for (int i = 0; i < 50; ++i) {
        inputs.push_back(directory.open("data-" + std::to_string(i)));
    }
    CHECK(inputs[0].backing() == Backing::mapped);
    CHECK(inputs[1].backing() == Backing::mapped);
    CHECK(fallbacks == 49);
    CHECK(mappings_of_process() < most - 4000);
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; ++i) {
        threads.emplace_back([] {});
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    CHECK(inputs[0].prefetch(0, 8 * chunk));
    directory.wait_for_prefetches();
    files.resize("most", chunk);
    inputs[0].seek(5 * chunk);
    CHECK(code_of([&] { (void)inputs[0].read_u8(); }) == "truncated");
    files.resize("data-0", 0);
    CHECK(code_of([&] { (void)inputs[1].read_u8(); }) == "truncated");
}

TEST_CASE("advice to ten thousand slices takes no mappings") {
    TempFiles files;
    files.make_sparse("data", 512 * chunk);
    const MappedDirectory directory(files.path(), {.chunk_power = 28, .fall_back = false});
    const MappedInput input = directory.open("data");
    const std::size_t before = mappings_of_process(files.path().string());
    for (std::uint64_t i = 0; i < 10'000; ++i) {
        input.slice("part", i * 8192, 4096).advise(ReadAdvice::random);
    }
    CHECK(mappings_of_process(files.path().string()) <= before);
}

TEST_CASE("a process that locks what it maps is told of that limit") {
    STRATA_SKIP_UNLESS_ROOT();
    STRATA_SKIP_IF(sanitized, "the sanitizers cannot lock their memory");
    TempFiles files;
    files.make_sparse("data", 1_GiB);
    std::filesystem::permissions(files.path(), std::filesystem::perms::all);
    Child child = Child::start([&](Channel&) {
        const MappedDirectory directory(files.path(), {.fall_back = false});
        const rlimit lowered{4_MiB, 4_MiB};
        STRATA_REQUIRE(::setrlimit(RLIMIT_MEMLOCK, &lowered) == 0);
        STRATA_REQUIRE(::mlockall(MCL_FUTURE) == 0);
        STRATA_REQUIRE(::setresuid(65534, 65534, 65534) == 0);
        const auto error = error_of([&] { (void)directory.open("data"); });
        STRATA_REQUIRE(error.has_value());
        STRATA_REQUIRE(error->code() == Errc::limit_exceeded);
        STRATA_REQUIRE(mentions(*error, "ulimit -l: 4194304 bytes"));
    });
    CHECK(child.join() == "");
}

TEST_CASE("idle files stay mapped, are found again, and go when a mapping fails") {
    TempFiles files;
    for (const char* name : {"a", "b", "c"}) {
        files.make(name, chunk);
    }
    {
        const MappedDirectory directory(
            files.path(), {.group_files_up_to = 0, .idle_files = 2, .fall_back = false});
        const auto bytes_of = [&](const char* name) {
            const MappedInput input = directory.open(name);
            return input.view(0, 8).size();
        };
        CHECK(bytes_of("a") == 8);
        CHECK(bytes_of("b") == 8);
        CHECK(directory.statistics().idle_files == 2);
        CHECK(directory.statistics().open_files == 0);
        CHECK(bytes_of("a") == 8);
        CHECK(directory.statistics().shared == 1);
        CHECK(bytes_of("c") == 8);  // in the place of b
        CHECK(bytes_of("b") == 8);
        CHECK(directory.statistics().shared == 1);
        CHECK(directory.statistics().mappings == 2);
        // Changed meanwhile: another file, whatever its name.
        files.make("b", chunk, 99);
        CHECK(directory.open("b").read_u8() == byte_at(99));
        CHECK(directory.trim() > 0);
        CHECK(directory.statistics().mappings == 0);
        if (!sanitized) {
            CHECK(bytes_of("a") == 8);
            CHECK(bytes_of("b") == 8);
            // Room for one file: only if the idle ones go.
            const Limit lowered(RLIMIT_AS, address_space_used() + chunk / 2);
            CHECK(bytes_of("c") == 8);
            CHECK(directory.statistics().idle_files == 1);
        }
    }
    CHECK(descriptors_open() > 0);
}
