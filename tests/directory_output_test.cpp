// SPDX-License-Identifier: Apache-2.0
// What a file that is written must keep: its mode, its process, what closing says of it; and what
// else directories do with files of which somebody else holds the name.
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <dlfcn.h>
#include <fcntl.h>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/resource.h>
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

thread_local int next_close_fails_with = 0;

std::string text_of(const FileDirectory& directory, std::string_view name) {
    const MappedInput input = directory.open(name);
    const FileView view = input.view(0, input.size());
    return std::string(view.text());
}

std::size_t entries(const std::filesystem::path& path) {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
}

unsigned mode_of(const std::filesystem::path& path) {
    struct stat st {};
    return ::stat(path.c_str(), &st) == 0 ? st.st_mode & 07777U : 0;
}

}  // namespace

#if STRATA_OWN_SYSTEM_CALLS
extern "C" int close(int fd) {
    static auto* const real = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, "close"));
    const int result = real(fd);
    if (next_close_fails_with != 0) {
        errno = std::exchange(next_close_fails_with, 0);
        return -1;
    }
    return result;
}
#endif

TEST_CASE("what only close tells is an error; an interrupted close is none") {
    STRATA_SKIP_IF(!calls_can_fail, "ThreadSanitizer has these calls for itself");
    TempFiles files;
    const BufferedDirectory directory(files.path());
    for (const int error : {EIO, EDQUOT, ENOSPC}) {
        CAPTURE(error);
        FileOutput out = directory.append("data");
        out.write("text");
        next_close_fails_with = error;
        const auto thrown = error_of([&] { out.close(); });
        REQUIRE(thrown);
        CHECK(thrown->errno_value() == error);
        CHECK(thrown->path() == files.file("data").string());
    }
    FileOutput replacing = directory.replace("new");
    next_close_fails_with = EIO;
    CHECK(code_of([&] { replacing.publish(); }) == "system");
    CHECK_FALSE(directory.exists("new"));
    FileOutput out = directory.create("fine");
    out.write("text");
    next_close_fails_with = EINTR;
    out.close();
    CHECK(next_close_fails_with == 0);
}

TEST_CASE("a forked child writes nothing of its parent's, and takes no file away") {
    TempFiles files;
    const MappedDirectory directory(files.path());
    std::optional<FileOutput> replacing(directory.replace("new"));
    replacing->write("whole");
    std::optional<FileOutput> log(directory.create("log"));
    log->write("once");
    Child child = Child::start([&](Channel&) {
        STRATA_REQUIRE_EQ(code_of([&] { log->write("x"); }), "wrong_process");
        STRATA_REQUIRE_EQ(code_of([&] { log->close(); }), "wrong_process");
        STRATA_REQUIRE_EQ(code_of([&] { replacing->publish(); }), "wrong_process");
        log.reset();
        replacing.reset();
    });
    CHECK(child.join() == "");
    log->close();
    replacing->publish();
    CHECK(text_of(directory, "log") == "once");
    CHECK(text_of(directory, "new") == "whole");
}

TEST_CASE("replacing keeps the permissions, whatever the umask; a link becomes a file") {
    TempFiles files;
    const MappedDirectory directory(files.path());
    const mode_t umask_before = ::umask(077);
    for (const unsigned mode : {0600U, 0640U, 0666U, 0755U}) {
        CAPTURE(mode);
        files.make("data", 10);
        REQUIRE(::chmod(files.file("data").c_str(), mode) == 0);
        directory.write_file("data", "new");
        CHECK(mode_of(files.file("data")) == mode);
        CHECK(text_of(directory, "data") == "new");
    }
    directory.write_file("fresh", "x");
    CHECK(mode_of(files.file("fresh")) == 0600);
    ::umask(umask_before);
    std::filesystem::create_symlink("data", files.file("link"));
    directory.write_file("link", "of its own");
    CHECK_FALSE(std::filesystem::is_symlink(files.file("link")));
    CHECK(text_of(directory, "data") == "new");
    std::filesystem::create_directory(files.file("folder"));
    CHECK(code_of([&] { (void)directory.replace("folder"); }) == "invalid_argument");
}

TEST_CASE("append and size are for regular files") {
    TempFiles files;
    const BufferedDirectory directory(files.path());
    std::filesystem::create_directory(files.file("folder"));
    REQUIRE(::mkfifo(files.file("fifo").c_str(), 0600) == 0);
    const int reader = ::open(files.file("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    for (const char* name : {"folder", "fifo"}) {
        CAPTURE(name);
        CHECK(code_of([&] { (void)directory.append(name); }) == "invalid_argument");
        CHECK(code_of([&] { (void)directory.size(name); }) == "invalid_argument");
    }
    ::close(reader);
    std::filesystem::create_symlink("nowhere", files.file("broken"));
    directory.append("broken").write("x");
    CHECK(text_of(directory, "nowhere") == "x");
}

TEST_CASE("a name that is taken is kept if one says so") {
    TempFiles files;
    const BufferedDirectory directory(files.path());
    directory.write_file("a", "a");
    directory.write_file("b", "b");
    CHECK(code_of([&] { directory.rename("a", "b", ExistingFile::keep); }) == "file_exists");
    CHECK(text_of(directory, "b") == "b");
    directory.rename("a", "c", ExistingFile::keep);
    CHECK(text_of(directory, "c") == "a");
    const std::string names[] = {"b", "c"};
    directory.sync(names);
    const std::string missing[] = {"b", "a"};
    CHECK(code_of([&] { directory.sync(missing); }) == "file_not_found");
}

TEST_CASE("what nobody published is removed once it is old enough") {
    TempFiles files;
    const BufferedDirectory directory(files.path());
    FileOutput at_work = directory.replace("data");
    at_work.write("half");
    at_work.flush();
    CHECK(directory.remove_unpublished(std::chrono::hours(1)) == 0);
    for (const auto& entry : std::filesystem::directory_iterator(files.path())) {
        std::filesystem::last_write_time(
            entry, std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
    }
    directory.write_file("old", "x");
    std::filesystem::last_write_time(
        files.file("old"), std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
    CHECK(directory.remove_unpublished(std::chrono::hours(1)) == 1);
    CHECK(entries(files.path()) == 1);  // a file of its own name stays
}

TEST_CASE("numbers of varying length and strings are read as they were written") {
    TempFiles files;
    const MappedDirectory mapped(files.path(), {.group_files_up_to = 0});
    const BufferedDirectory buffered(files.path(), {.buffer_bytes = 3});
    std::vector<std::uint64_t> numbers = {0, 1, 127, 128, 300, 16'383, 16'384, UINT64_MAX};
    for (unsigned shift = 0; shift < 64; ++shift) {
        numbers.push_back(std::uint64_t{1} << shift);
        numbers.push_back((std::uint64_t{1} << shift) - 1);
    }
    FileOutput out = mapped.create("data");
    for (const std::uint64_t number : numbers) {
        out.write_varint(number);
    }
    out.write_string("");
    out.write_string("text");
    out.write_varint(1'000);  // a string that is not there
    out.close();
    for (const FileDirectory* directory : {static_cast<const FileDirectory*>(&mapped),
                                           static_cast<const FileDirectory*>(&buffered)}) {
        MappedInput in = directory->open("data");
        for (const std::uint64_t number : numbers) {
            CHECK(in.read_varint() == number);
        }
        CHECK(in.read_string().empty());
        CHECK(in.read_string() == "text");
        const std::uint64_t before = in.position();
        CHECK(code_of([&] { (void)in.read_string(); }) == "end_of_file");
        CHECK(in.position() == before);
    }
    // 300 is 0xAC 0x02, as in the documents of others; more than 64 bits; a number cut off.
    mapped.write_file("300", "\xAC\x02");
    mapped.write_file("long", std::string(9, '\xFF') + "\x02");
    mapped.write_file("cut", "\x80\x80");
    CHECK(mapped.open("300").read_varint() == 300);
    for (const char* name : {"long", "cut"}) {
        MappedInput in = mapped.open(name);
        CHECK(code_of([&] { (void)in.read_varint(); }) ==
              (std::string(name) == "long" ? "corrupt" : "end_of_file"));
        CHECK(in.position() == 0);
    }
}

TEST_CASE("a small file that was not changed for seconds is shared") {
    STRATA_SKIP_IF(!calls_can_fail, "not under ThreadSanitizer");
    TempFiles files;
    files.make("data", 3000);
    const MappedDirectory directory(files.path());
    const MappedInput fresh = directory.open("data");
    CHECK(directory.statistics().shared == 0);
    const std::int64_t later = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                   std::chrono::system_clock::now().time_since_epoch())
                                   .count() +
                               10'000'000'000;
    const WallClock clock([&] { return later; });
    const MappedInput first = directory.open("data");
    const MappedInput second = directory.open("data");
    CHECK(directory.statistics().shared == 1);
    CHECK(directory.statistics().open_files == 2);
}

TEST_CASE("with standard input closed and no descriptor left, no half-made file stays") {
    STRATA_SKIP_IF(address_sanitized, "the sanitizer looks at objects through a pipe of its own");
    TempFiles files;
    Child child = Child::start([&](Channel&) {
        const BufferedDirectory directory(files.path());
        const int highest = ::dup(0);
        const rlimit lowered{static_cast<rlim_t>(highest), static_cast<rlim_t>(highest)};
        ::close(highest);
        STRATA_REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
        ::close(0);
        STRATA_REQUIRE_EQ(code_of([&] { (void)directory.create("new"); }), "limit_exceeded");
        STRATA_REQUIRE_EQ(code_of([&] { (void)directory.replace("new"); }), "limit_exceeded");
        STRATA_REQUIRE_EQ(code_of([&] { (void)directory.append("new"); }), "limit_exceeded");
    });
    CHECK(child.join() == "");
    CHECK(entries(files.path()) == 0);
}
