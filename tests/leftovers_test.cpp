// SPDX-License-Identifier: Apache-2.0
// What creators and removers that died left under hidden names: what counts as such, how large it
// is, whether somebody still works on it, and that it goes whole or says why not.
#include "strata/leftovers.hpp"

#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::TempBase;

namespace {

namespace fs = std::filesystem;

void write_file(const fs::path& path, std::size_t bytes) {
    std::ofstream(path) << std::string(bytes, 'x');
}

std::uint64_t allocated(const fs::path& path) {
    struct stat status {};
    REQUIRE(::lstat(path.c_str(), &status) == 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
}

}  // namespace

TEST_CASE("a leftover is a directory with a creator's name, and nothing else is") {
    const TempBase base;
    CHECK(leftovers(base.path()).empty());
    CHECK(leftovers(base.path() / "missing").empty());
    for (const char* const name :
         {".b.new-12-34", ".a.new-12-34", ".new-12-34", "a.new-12-34", ".a.new-12", ".a.new--1",
          ".a.new-x-1", ".a.new-12x-1", ".a.old-12-34", ".a.new-9.new-8-1", "..new-1-1"}) {
        fs::create_directory(base.path() / name);
    }
    write_file(base.path() / ".c.new-12-34", 1);  // no directory
    const auto found = leftovers(base.path());
    REQUIRE(found.size() == 3);
    CHECK(found[0].path == base.path() / ".a.new-12-34");
    CHECK(found[0].store == "a");
    CHECK(found[0].creator_pid == 12);
    CHECK(found[1].path == base.path() / ".a.new-9.new-8-1");
    CHECK(found[1].store == "a.new-9");
    CHECK(found[1].creator_pid == 8);
    CHECK(found[2].store == "b");
    for (const Leftover& leftover : found) {
        CHECK(leftover.in_use == false);
        CHECK(leftover.allocated_bytes == 0);
    }
    for (const char* const name : {".new-12-34", "a.new-12-34", ".a.new-12", "..new-1-1"}) {
        CAPTURE(name);
        CHECK(code_of([&] { remove_leftover(base.path() / name); }) == "invalid_argument");
        CHECK(fs::exists(base.path() / name));
    }
    write_file(base.path() / "file", 1);
    CHECK(code_of([&] { (void)leftovers(base.path() / "file"); }) != "no error");
}

TEST_CASE("a leftover has the memory of its files, and goes with all of them") {
    const TempBase base;
    const fs::path left = base.path() / ".a.new-12-34";
    fs::create_directory(left);
    std::uint64_t bytes = 0;
    for (const char* const name :
         {"control.mmap", "producer.lock", "region-1.mmap", "region-18446744073709551615.mmap"}) {
        write_file(left / name, 10'000);
        bytes += allocated(left / name);
    }
    CHECK(bytes >= 40'000);
    CHECK(leftovers(base.path()).at(0).allocated_bytes == bytes);
    remove_leftover(left);
    CHECK_FALSE(fs::exists(left));
    CHECK(leftovers(base.path()).empty());
    CHECK(code_of([&] { remove_leftover(left); }) == "store_not_found");
}

TEST_CASE("a leftover that is being created stays") {
    const TempBase base;
    const fs::path left = base.path() / ".a.new-12-34";
    fs::create_directory(left);
    const fs::path lock_file = left / "producer.lock";
    write_file(lock_file, 0);
    const int creator = ::open(lock_file.c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(creator >= 0);
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    REQUIRE(::fcntl(creator, F_OFD_SETLK, &lock) == 0);
    CHECK(leftovers(base.path()).at(0).in_use == true);
    const auto refused = error_of([&] { remove_leftover(left); });
    REQUIRE(refused);
    CHECK(refused->code() == Errc::producer_active);
    CHECK(refused->detail().find("12") != std::string::npos);
    CHECK(fs::exists(lock_file));
    ::close(creator);
    CHECK(leftovers(base.path()).at(0).in_use == false);
    remove_leftover(left);
    CHECK_FALSE(fs::exists(left));
}

TEST_CASE("what is left when a leftover cannot go is reported") {
    const TempBase base;
    const fs::path left = base.path() / ".a.new-12-34";
    fs::create_directory(left);
    write_file(left / "control.mmap", 1);
    write_file(left / "notes.txt", 1);
    for (const char* const name : {"region-.mmap", "region-x.mmap", "region-1x.mmap",
                                   "region-1-1.mmap", "xregion-1.mmap", "region-1.mmapx"}) {
        write_file(left / name, 1);
    }
    const auto refused = error_of([&] { remove_leftover(left); });
    REQUIRE(refused);
    CHECK(refused->path() == left);
    CHECK(refused->errno_value() == ENOTEMPTY);
    CHECK_FALSE(fs::exists(left / "control.mmap"));
    CHECK(std::distance(fs::directory_iterator(left), {}) == 7);  // not ours
    fs::create_directory(base.path() / ".b.new-12-34");
    fs::create_directory(base.path() / ".b.new-12-34/region-1.mmap");  // cannot be unlinked
    const auto in_the_way = error_of([&] { remove_leftover(base.path() / ".b.new-12-34"); });
    REQUIRE(in_the_way);
    CHECK(in_the_way->path() == base.path() / ".b.new-12-34");
    CHECK(fs::exists(base.path() / ".b.new-12-34"));
}

TEST_CASE("what a restore left is a store's, and whatever else is being made is none") {
    const TempBase base;
    const fs::path stage = base.path() / ".strata-new-my-store-0123456789abcdef";
    fs::create_directories(stage / "my-store");
    write_file(stage / "my-store" / "control.mmap", 10'000);
    fs::create_directories(stage / ".my-store.new-12-34");  // it died while it created the store
    write_file(stage / ".my-store.new-12-34" / "producer.lock", 10'000);
    fs::create_directories(base.path() / ".strata-new-begun-00");
    fs::create_directories(base.path() / ".strata-new-D01-00" / "layers");  // an archive
    fs::create_directories(base.path() / ".strata-new-other");              // no such name
    const auto found = leftovers(base.path());
    REQUIRE(found.size() == 2);
    CHECK(found[0].store == "begun");
    CHECK(found[0].allocated_bytes == 0);
    CHECK(found[1].path == stage);
    CHECK(found[1].store == "my-store");
    CHECK(found[1].creator_pid == 0);
    CHECK(found[1].in_use == false);
    CHECK(found[1].allocated_bytes ==
          allocated(stage / "my-store" / "control.mmap") +
              allocated(stage / ".my-store.new-12-34" / "producer.lock"));
    CHECK(code_of([&] { remove_leftover(base.path() / ".strata-new-D01-00"); }) ==
          "invalid_argument");
    CHECK(fs::exists(base.path() / ".strata-new-D01-00" / "layers"));
    CHECK(code_of([&] { remove_leftover(base.path() / ".strata-new-other"); }) ==
          "invalid_argument");
    write_file(stage / "my-store" / "notes.txt", 1);
    const auto refused = error_of([&] { remove_leftover(stage); });
    REQUIRE(refused);
    CHECK(refused->errno_value() == ENOTEMPTY);
    fs::remove(stage / "my-store" / "notes.txt");
    remove_leftover(stage);
    remove_leftover(base.path() / ".strata-new-begun-00");
    CHECK_FALSE(fs::exists(stage));
    CHECK(leftovers(base.path()).empty());
}

TEST_CASE("a restore that goes on keeps what it makes, from its first directory on") {
    const TempBase base;
    const fs::path stage = base.path() / ".strata-new-a-00";
    fs::create_directories(stage);
    // It locks the directory above until what it made has a lock of its own.
    for (const fs::path& locked : {base.path(), stage}) {
        CAPTURE(locked);
        const int maker = ::open(locked.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        REQUIRE(maker >= 0);
        struct flock lock {};
        lock.l_type = F_RDLCK;
        lock.l_whence = SEEK_SET;
        lock.l_len = 1;
        REQUIRE(::fcntl(maker, F_OFD_SETLK, &lock) == 0);
        CHECK(leftovers(base.path()).at(0).in_use == true);
        CHECK(code_of([&] { remove_leftover(stage); }) == "producer_active");
        CHECK(fs::exists(stage));
        ::close(maker);
        CHECK(leftovers(base.path()).at(0).in_use == false);
    }
    remove_leftover(stage);
    CHECK_FALSE(fs::exists(stage));
}
