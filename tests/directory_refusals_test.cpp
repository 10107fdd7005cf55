// SPDX-License-Identifier: Apache-2.0
// What the system refuses, interrupts or delays: typed errors that leave nothing behind.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process.hpp"
#include "tests/support/system_calls.hpp"
#include <strata/strata.hpp>

using namespace strata;
using namespace strata::test;

namespace {

constexpr std::uint64_t chunk = 1 << 20;

}  // namespace

TEST_CASE("who may only search a directory opens files in it; listing it is refused") {
    STRATA_SKIP_UNLESS_ROOT();
    TempFiles files;
    files.make("data", 2 * chunk);
    REQUIRE(::chmod(files.file("data").c_str(), 0644) == 0);
    std::filesystem::create_directory(files.file("closed"));
    const auto become_nobody = [] { STRATA_REQUIRE(::setresuid(65534, 65534, 65534) == 0); };
    REQUIRE(::chmod(files.path().c_str(), 0711) == 0);
    REQUIRE(::chmod(files.file("closed").c_str(), 0700) == 0);
    Child child = Child::start([&](Channel&) {
        become_nobody();
        const MappedDirectory directory(files.path(), {.chunk_power = 20});
        MappedInput input = directory.open("data");
        STRATA_REQUIRE(input.read_u8() == byte_at(0));
        STRATA_REQUIRE_EQ(code_of([&] { (void)directory.list(); }), "permission_denied");
        STRATA_REQUIRE_EQ(code_of([&] { MappedDirectory(files.file("closed")); }),
                          "permission_denied");
        // Nor does the kernel tell him what is in memory, though it answers: all of it.
        STRATA_REQUIRE_EQ(code_of([&] { (void)input.residency(); }), "permission_denied");
        STRATA_REQUIRE_EQ(code_of([&] { (void)directory.residency("data"); }), "permission_denied");
    });
    CHECK(child.join() == "");
}

TEST_CASE("a file that ends before its size, and one that has none") {
    STRATA_SKIP_IF(::access("/sys/kernel/mm/transparent_hugepage/enabled", R_OK) != 0, "no sysfs");
    const std::filesystem::path folder = "/sys/kernel/mm/transparent_hugepage";
    const auto error = error_of([&] { (void)MappedDirectory(folder).open("enabled"); });
    REQUIRE(error);
    CHECK(error->code() == Errc::truncated);
    CHECK(std::string_view(error->what()).find("ends before its size of 4096 bytes") !=
          std::string_view::npos);
    MappedInput buffered = BufferedDirectory(folder).open("enabled");
    CHECK(code_of([&] { (void)buffered.read_u8(); }) == "truncated");
    CHECK(MappedDirectory("/proc").open("cpuinfo").size() == 0);
}

TEST_CASE("a file that somebody has a lease on is opened when the lease is broken") {
    STRATA_SKIP_IF(address_sanitized, "signals");
    TempFiles files;
    files.make("data", 2 * chunk);
    sigset_t asked;
    sigset_t before;
    ::sigemptyset(&asked);
    ::sigaddset(&asked, SIGIO);
    ::pthread_sigmask(SIG_BLOCK, &asked, &before);
    const int writer = ::open(files.file("data").c_str(), O_RDWR | O_CLOEXEC);
    const bool leased = ::fcntl(writer, F_SETLEASE, F_WRLCK) == 0;
    if (leased) {
        Child child = Child::start([&](Channel&) {
            ::close(writer);
            STRATA_REQUIRE(MappedDirectory(files.path()).open("data").read_u8() == byte_at(0));
        });
        int signal = 0;
        ::sigwait(&asked, &signal);
        CHECK(signal == SIGIO);
        CHECK(::fcntl(writer, F_SETLEASE, F_UNLCK) == 0);
        CHECK(child.join() == "");
    }
    ::close(writer);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    STRATA_SKIP_IF(!leased, "no leases on this file system");
}

TEST_CASE("calls that fail end in typed errors, and leave nothing behind") {
    STRATA_SKIP_IF(!calls_can_fail, "ThreadSanitizer has these calls for itself");
    TempFiles files;
    files.make("data", 2 * chunk);
    files.make("small", 1000);
    const MappedDirectory mapped(files.path(), {.chunk_power = 20, .fall_back = false});
    const BufferedDirectory buffered(files.path());
    const std::size_t descriptors = descriptors_open();
    std::vector<std::string> failed;
    for (const FileDirectory* directory : {static_cast<const FileDirectory*>(&mapped),
                                           static_cast<const FileDirectory*>(&buffered)}) {
        for (const char* name : {"data", "small"}) {
            for (std::uint64_t n = 1;; ++n) {
                const FailingCall failing(n);
                const auto error = error_of([&] {
                    MappedInput input = directory->open(name);
                    input.seek(500);
                    (void)input.read_u64_be();
                });
                CHECK(descriptors_open() == descriptors);
                if (!FailingCall::happened()) break;
                CAPTURE(FailingCall::name());
                failed.push_back(FailingCall::name());
                REQUIRE(error);
                CHECK(error->path() == files.file(name).string());
                CHECK(error->errno_value() != 0);
                CHECK_FALSE(error->detail().empty());
            }
        }
    }
    for (const char* call : {"openat", "fstat", "mmap", "pread"}) {
        CAPTURE(call);
        CHECK(std::find(failed.begin(), failed.end(), call) != failed.end());
    }
    CHECK(mapped.statistics().mappings == 0);
    CHECK(mapped.statistics().open_files == 0);
    // A disk that fails once, under a buffered reader: known from then on, until it is opened anew.
    MappedInput input = buffered.open("data");
    {
        const FailingCall failing(1);
        const auto error = error_of([&] { input.read_u8(); });
        REQUIRE(error);
        CHECK(error->errno_value() == EIO);
        CHECK(error->code() == Errc::system);
    }
    CHECK(input.position() == 0);
    CHECK(code_of([&] { input.read_u8(); }) == "system");
    CHECK(buffered.open("data").read_u8() == byte_at(0));
}

TEST_CASE("interrupted calls are repeated") {
    STRATA_SKIP_IF(!calls_can_fail, "ThreadSanitizer has these calls for itself");
    TempFiles files;
    files.make("data", 2 * chunk);
    files.make("small", 1000);
    const Interruptions interruptions(3);
    for (const char* name : {"data", "small"}) {
        CHECK(MappedDirectory(files.path()).open(name).read_u8() == byte_at(0));
        CHECK(BufferedDirectory(files.path()).open(name).read_u8() == byte_at(0));
    }
    CHECK(Interruptions::count() > 0);
}

TEST_CASE("options and names that can never work are refused") {
    TempFiles files;
    for (const unsigned power : {0U, 19U, 41U, 64U}) {
        CHECK(code_of([&] { MappedDirectory(files.path(), {.chunk_power = power}); }) ==
              "invalid_argument");
    }
    CHECK(code_of([&] { BufferedDirectory(files.path(), {.buffer_bytes = 0}); }) ==
          "invalid_argument");
    CHECK(code_of([&] { MappedDirectory(files.path() / "none"); }) == "file_not_found");
    const MappedDirectory directory(files.path());
    for (const std::string& name :
         {std::string(), std::string("."), std::string(".."), std::string("a/b"),
          std::string("/etc/passwd"), std::string("a\0b", 3), std::string(256, 'x')}) {
        CHECK(code_of([&] { (void)directory.open(name); }) == "invalid_name");
        CHECK(code_of([&] { (void)directory.create(name); }) == "invalid_name");
        CHECK(code_of([&] { (void)directory.size(name); }) == "invalid_name");
        CHECK(code_of([&] { directory.remove(name); }) == "invalid_name");
    }
    std::filesystem::create_directory(files.file("folder"));
    REQUIRE(::mkfifo(files.file("fifo").c_str(), 0600) == 0);
    CHECK(code_of([&] { (void)directory.open("folder"); }) == "invalid_argument");
    CHECK(code_of([&] { (void)directory.open("fifo"); }) == "invalid_argument");
    CHECK(code_of([&] { (void)directory.open("none"); }) == "file_not_found");
}
