// SPDX-License-Identifier: Apache-2.0
// Files that are cut short while they are open and read: typed errors from reads that copy, zeros
// and a check for views, and nobody dies.
#include <atomic>
#include <csignal>
#include <cstdint>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/support/files.hpp"
#include "tests/support/process.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t chunk = 1 << 20;
constexpr std::uint64_t size = 3 * chunk;

/// Uses a value: what nobody uses the compiler need not read.
template <class Value>
void use(Value value) {
    [[maybe_unused]] static volatile Value sink;
    sink = value;
}

struct CutFile : TempFiles {
    explicit CutFile(bool survive = true)
        : directory((make("data", size), path()),
                    {.chunk_power = 20, .survive_lost_bytes = survive}) {}
    MappedDirectory directory;
};

}  // namespace

TEST_CASE("each read that copies ends in a typed error when its bytes are gone") {
    const auto expect_error = [](auto read) {
        CutFile files;
        MappedInput input = files.directory.open("data");
        const MappedInput other = input.slice("start", 0, 100);
        input.seek(2 * chunk);
        files.resize("data", chunk + 4096);
        const auto error = error_of([&] { read(input); });
        REQUIRE(error);
        CHECK(error->code() == Errc::truncated);
        CHECK(error->path() == files.file("data").string());
        CHECK(error->needed() == size);
        CHECK(error->limit() == chunk + 4096);
        CHECK(input.position() == 2 * chunk);
        // From then on the file is known to be damaged, everywhere.
        CHECK(code_of([&] { (void)other.view(0, 10); }) == "truncated");
        std::vector<std::byte> bytes(10);
        CHECK(code_of([&] { input.seek(0), input.read(bytes); }) == "truncated");
        input.seek(8);  // a number that is there is right
        CHECK(input.read_u64_be() == number_at(8, 8, true));
        CHECK(code_of([&] { input.clone().check(); }) == "truncated");
        // Opened again it is what it is now.
        CHECK(files.directory.open("data").size() == chunk + 4096);
    };
    expect_error([](MappedInput& input) { use(input.read_u8()); });
    expect_error([](MappedInput& input) { use(input.read_u16_le()); });
    expect_error([](MappedInput& input) { use(input.read_u32_be()); });
    expect_error([](MappedInput& input) { use(input.read_u64_le()); });
    expect_error([](MappedInput& input) {
        std::vector<std::byte> bytes(100'000);
        input.read(bytes);
    });
    expect_error([](MappedInput& input) {
        std::vector<std::byte> bytes(5000);
        input.read_at(2 * chunk - 2000, bytes);
    });
    expect_error([](MappedInput& input) { (void)input.view(2 * chunk - 10, 20); });  // a copy
    expect_error([](MappedInput& input) { (void)input.checksum(); });
    expect_error([](MappedInput& input) { input.preload(); });
}

TEST_CASE("a view of lost bytes reads zeros, and check and ReadGuard say so") {
    CutFile files;
    MappedInput input = files.directory.open("data");
    const FileView view = input.view(chunk, chunk);
    input.check();
    files.resize("data", chunk);
    CHECK(code_of([&] { input.check(); }) == "truncated");  // seen before it is touched
    {
        const ReadGuard guard;
        std::uint64_t sum = 0;
        for (const std::byte byte : view.bytes()) {
            sum += static_cast<std::uint64_t>(byte);
        }
        CHECK(sum == 0);
        CHECK(guard.faulted());
        const auto error = error_of([&] { guard.check("sum"); });
        REQUIRE(error);
        CHECK(error->code() == Errc::truncated);
        CHECK(error->path() == files.file("data").string());
    }
    CHECK(static_cast<unsigned>(view.bytes()[5]) == 0);  // without a guard as well
    CHECK(code_of([&] { input.check(); }) == "truncated");
}

TEST_CASE("a cut inside the last page cannot be felt, but check sees it") {
    CutFile files;
    MappedInput input = files.directory.open("data");
    files.resize("data", size - 10);
    input.seek(size - 5);
    CHECK(input.read_u8() == 0);
    CHECK(code_of([&] { input.check(); }) == "truncated");
}

TEST_CASE("a file that was cut and grew again has lost pages, and is opened anew") {
    CutFile files;
    MappedInput input = files.directory.open("data");
    files.resize("data", 0);
    CHECK(code_of([&] { use(input.read_u8()); }) == "truncated");
    files.resize("data", size);
    const auto error = error_of([&] { use(input.read_u8()); });
    REQUIRE(error);
    CHECK(error->errno_value() == EIO);
    CHECK(files.directory.open("data").read_u8() == 0);
    // Removed as well: nobody can tell what happened to it.
    files.directory.remove("data");
    CHECK(code_of([&] { use(input.read_u8()); }) == "truncated");
}

TEST_CASE("a file that lost bytes is opened anew, although nothing shows that it has changed") {
    CutFile files;
    MappedInput input = files.directory.open("data");
    const FileView view = input.view(0, 4096);
    // What a failing disk does: bytes go, size and times stay.
    const int nothing = ::memfd_create("nothing", MFD_CLOEXEC);
    REQUIRE(nothing >= 0);
    void* const page = const_cast<std::byte*>(view.bytes().data());  // NOLINT: to map over it
    REQUIRE(::mmap(page, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, nothing, 0) == page);
    ::close(nothing);
    CHECK(code_of([&] { use(input.read_u8()); }) == "system");
    MappedInput again = files.directory.open("data");
    CHECK(again.read_u8() == byte_at(0));
    again.check();
    CHECK(files.directory.open("data").read_u8() == byte_at(0));
    CHECK(files.directory.statistics().shared == 1);  // the last two
}

TEST_CASE("a cut that one read has noticed ends all that follow, mapped, by calls, fallen back") {
    const auto expect_errors = [](const TempFiles& files, const FileDirectory& directory) {
        files.make("data", size);
        MappedInput input = directory.open("data", {.context = ReadContext::look_up});
        CAPTURE(to_string(input.backing()));
        MappedInput windowed = input.clone();
        use(windowed.read_u8());  // by system calls: its buffer is full of what was there
        input.seek(2 * chunk);
        files.resize("data", chunk);
        std::vector<std::byte> bytes(10);
        CHECK(code_of([&] { input.read(bytes); }) == "truncated");
        CHECK(input.position() == 2 * chunk);
        // What is there as well, through whatever shares the file.
        CHECK(code_of([&] { windowed.read(bytes); }) == "truncated");
        CHECK(windowed.position() == 1);
        input.seek(0);
        CHECK(code_of([&] { input.read(bytes); }) == "truncated");
        CHECK(code_of([&] { (void)input.read_some(bytes); }) == "truncated");
        CHECK(code_of([&] { input.read_at(0, bytes); }) == "truncated");
        CHECK(code_of([&] { (void)input.view(0, 10); }) == "truncated");
        CHECK(code_of([&] { (void)input.slice("start", 0, 100).checksum(); }) == "truncated");
        CHECK(code_of([&] { input.preload(0, 4096); }) == "truncated");
        CHECK(code_of([&] { input.slice("start", 0, 100).preload(); }) == "truncated");
        CHECK(code_of([&] { input.check(); }) == "truncated");
        files.resize("data", size);  // nothing brings back what was lost
        CHECK(code_of([&] { input.read(bytes); }) == "system");
        CHECK(input.position() == 0);
        MappedInput again = directory.open("data");
        again.read(bytes);
        CHECK(bytes == bytes_at(0, bytes.size()));
        again.check();
    };
    const TempFiles files;
    expect_errors(files, MappedDirectory(files.path(), {.chunk_power = 20}));
    expect_errors(files, BufferedDirectory(files.path(), {.buffer_bytes = 100}));
    expect_errors(files, MappedDirectory(files.path(), {.chunk_power = 20,
                                                        .most_mappings = 1,
                                                        .on_fallback = [](const auto&) {}}));
}

TEST_CASE("a cut that only check has noticed ends all that follow, save of a copy in memory") {
    const TempFiles files;
    std::vector<std::byte> bytes(10);
    const auto expect_error = [&](const FileDirectory& directory, std::uint64_t bytes_of_file) {
        files.make("data", bytes_of_file);
        MappedInput input = directory.open("data");
        CAPTURE(to_string(input.backing()));
        files.resize("data", bytes_of_file - 1);
        input.read(bytes);
        const auto error = error_of([&] { input.check(); });
        REQUIRE(error);
        CHECK(error->code() == Errc::truncated);
        CHECK(error->operation() == "check");
        CHECK(error->limit() == bytes_of_file - 1);
        return input;
    };
    MappedInput mapped = expect_error(MappedDirectory(files.path(), {.chunk_power = 20}), size);
    CHECK(code_of([&] { mapped.read(bytes); }) == "truncated");
    MappedInput buffered = expect_error(BufferedDirectory(files.path()), size);
    CHECK(code_of([&] { buffered.read(bytes); }) == "truncated");
    // Of a grouped file no byte is lost: the copy is whole, and stays what it is.
    MappedInput grouped = expect_error(MappedDirectory(files.path()), 5000);
    CHECK(grouped.backing() == Backing::grouped);
    CHECK(grouped.view(4000, 1000).size() == 1000);
    grouped.seek(4999);
    CHECK(grouped.read_u8() == byte_at(4999));
    CHECK(code_of([&] { grouped.check(); }) == "truncated");
}

TEST_CASE("truncation under load: many threads read on, each ends in a typed error") {
    constexpr int rounds = scaled(30, 5);
    for (int round = 0; round < rounds; ++round) {
        CutFile files;
        const MappedInput input = files.directory.open("data");
        std::atomic<int> reading{0};
        std::atomic<int> wrong{0};
        std::atomic<int> typed{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&, i] {
                MappedInput mine = input.clone();
                Random random(static_cast<std::uint64_t>(round * 4 + i));
                std::vector<std::byte> bytes(3000);
                try {
                    for (std::uint64_t n = 0;; ++n) {
                        const std::uint64_t at = random.below(size - 4000);
                        mine.seek(at);
                        // What a read returns is right, or it throws.
                        if (n % 3 == 0) {
                            mine.read(bytes);
                            wrong += bytes == bytes_at(at, bytes.size()) ? 0 : 1;
                        } else if (n % 3 == 1) {
                            wrong += mine.read_u64_le() == number_at(at, 8, false) ? 0 : 1;
                        } else {
                            wrong += mine.read_u8() == byte_at(at) ? 0 : 1;
                        }
                        if (n == 2) ++reading;
                    }
                } catch (const Error& error) {
                    typed += error.code() == Errc::truncated ? 1 : 0;
                }
            });
        }
        while (reading.load() < 4) {
            std::this_thread::yield();
        }
        files.resize("data", 8192);
        for (std::thread& thread : threads) {
            thread.join();
        }
        CHECK(wrong.load() == 0);
        CHECK(typed.load() == 4);
    }
}

TEST_CASE("a file that is cut while several threads preload it: an error, or it came too late") {
    const TempFiles files;
    const MappedDirectory directory(files.path(), {.chunk_power = 20});
    for (int round = 0; round < scaled(20, 5); ++round) {
        files.make_sparse("data", 40 * chunk);
        const MappedInput input = directory.open("data");
        std::atomic<bool> started{false};
        std::thread cutter([&] {
            while (!started.load()) {
                std::this_thread::yield();
            }
            files.resize("data", static_cast<std::uint64_t>(round) * 2 * chunk);
        });
        started = true;
        const std::string code = code_of([&] { input.preload(chunk, 38 * chunk); });
        cutter.join();
        CHECK((code == "no error" || code == "truncated"));
        CHECK(code_of([&] { input.preload(); }) == "truncated");
        CHECK(code_of([&] { input.check(); }) == "truncated");
    }
}

TEST_CASE("the handler that was there before is back when the last input is gone") {
    struct sigaction before {};
    ::sigaction(SIGBUS, nullptr, &before);
    struct sigaction during {};
    {
        MappedInput input;
        {
            CutFile files;
            input = files.directory.open("data");
        }
        ::sigaction(SIGBUS, nullptr, &during);
    }
    struct sigaction after {};
    ::sigaction(SIGBUS, nullptr, &after);
    const bool taken = during.sa_sigaction != before.sa_sigaction;
    const bool given_back = after.sa_sigaction == before.sa_sigaction;
    CHECK(taken);
    CHECK(given_back);
}

TEST_CASE("without survive_lost_bytes a lost byte is the kernel's signal, save under a ReadGuard") {
    if (!address_sanitized) {
        Child child = Child::start([&](Channel&) {
            CutFile files(false);
            MappedInput input = files.directory.open("data");
            files.resize("data", 0);
            use(input.read_u8());
        });
        CHECK(child.join_killed(SIGBUS) == "");
    }
    CutFile files(false);
    MappedInput input = files.directory.open("data");
    files.resize("data", 0);
    const ReadGuard guard;
    CHECK(input.read_u8() == 0);
    CHECK(code_of([&] { guard.check("read"); }) == "truncated");
}
