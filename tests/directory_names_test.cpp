// SPDX-License-Identifier: Apache-2.0
// What names of a directory lead to: links, subdirectories, files of somebody else; and that a look
// which fails is never taken for "there is none".
#include <cerrno>
#include <dlfcn.h>
#include <fcntl.h>
#include <filesystem>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
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

thread_local int looks_fail_with = 0;

/// While it lives, this thread cannot look at any name.
class FailingLooks {
public:
    explicit FailingLooks(int error) { looks_fail_with = error; }
    FailingLooks(const FailingLooks&) = delete;
    FailingLooks& operator=(const FailingLooks&) = delete;
    ~FailingLooks() { looks_fail_with = 0; }
};

std::vector<std::string> names_in(const FileDirectory& directory) {
    std::vector<std::string> names;
    for (const FileEntry& entry : directory.list()) {
        names.push_back(entry.name);
    }
    return names;
}

}  // namespace

extern "C" int fstatat(int directory, const char* name, struct stat* status, int flags) noexcept {
    if (looks_fail_with != 0) {
        errno = looks_fail_with;
        return -1;
    }
    static const auto real = reinterpret_cast<decltype(&::fstatat)>(::dlsym(RTLD_NEXT, "fstatat"));
    return real(directory, name, status, flags);
}

TEST_CASE("links that lead nowhere are no files: to themselves, to no name, through a file") {
    const TempFiles files;
    files.make("data", 100);
    std::filesystem::create_symlink("data", files.file("good"));
    std::filesystem::create_symlink("itself", files.file("itself"));
    std::filesystem::create_symlink("b", files.file("a"));
    std::filesystem::create_symlink("a", files.file("b"));
    std::filesystem::create_symlink("none", files.file("to-none"));
    std::filesystem::create_symlink("data/x", files.file("through-file"));
    std::filesystem::create_symlink(std::string(300, 'x'), files.file("too-long"));
    const BufferedDirectory directory(files.path());
    for (const char* name : {"itself", "a", "b", "to-none", "through-file", "too-long", "absent"}) {
        CAPTURE(name);
        CHECK_FALSE(directory.exists(name));
        CHECK(code_of([&] { (void)directory.open(name); }) != "");
    }
    CHECK(directory.exists("good"));
    CHECK(names_in(directory) == std::vector<std::string>{"data", "good"});
}

TEST_CASE("a look that fails is an error, not a file that is absent, sound or cut short") {
    const TempFiles files;
    files.make("data", 50'000);
    files.make("small", 100);
    const MappedDirectory directory(files.path());
    const MappedInput mapped = directory.open("data");
    const MappedInput grouped = directory.open("small");
    for (const int error : {EIO, ENOMEM, ESTALE}) {
        CAPTURE(error);
        const auto expect_error = [&](const auto& call) {
            const auto thrown = error_of([&] {
                const FailingLooks failing(error);
                call();
            });
            REQUIRE(thrown);
            CHECK(thrown->code() == Errc::system);
            CHECK(thrown->errno_value() == error);
            CHECK(thrown->path().starts_with(files.path().string()));
        };
        expect_error([&] { (void)directory.exists("data"); });
        expect_error([&] { (void)directory.size("data"); });
        expect_error([&] { (void)directory.list(); });
        expect_error([&] { (void)directory.open("data"); });
        expect_error([&] { (void)directory.append("data"); });
        expect_error([&] { (void)directory.replace("data"); });
        expect_error([&] { directory.rename("data", "other"); });
        expect_error([&] { mapped.check(); });
        expect_error([&] { grouped.check(); });
    }
    mapped.check();  // nothing was lost
    CHECK(names_in(directory) == std::vector<std::string>{"data", "small"});
}

TEST_CASE("subdirectories are neither renamed nor removed nor renamed over") {
    const TempFiles files;
    files.make("data", 100);
    std::filesystem::create_directory(files.file("folder"));
    std::filesystem::create_symlink("folder", files.file("link"));
    const BufferedDirectory directory(files.path());
    for (const ExistingFile existing : {ExistingFile::replace, ExistingFile::keep}) {
        const auto error = error_of([&] { directory.rename("folder", "other", existing); });
        REQUIRE(error);
        CHECK(error->code() == Errc::invalid_argument);
        CHECK(error->operation() == "rename");
        CHECK(error->path() == files.file("folder").string());
    }
    CHECK(code_of([&] { directory.rename("data", "folder"); }) == "invalid_argument");
    CHECK(code_of([&] { directory.rename("none", "other"); }) == "file_not_found");
    CHECK(code_of([&] { directory.remove("folder"); }) == "invalid_argument");
    CHECK(std::filesystem::is_directory(files.file("folder")));
    // Of a link it is the link, whatever it leads to.
    directory.rename("link", "renamed");
    CHECK(std::filesystem::read_symlink(files.file("renamed")) == "folder");
    directory.remove("renamed");
    CHECK(std::filesystem::is_directory(files.file("folder")));
}

TEST_CASE("residency of somebody else's file is not told, mapped, small or by calls") {
    STRATA_SKIP_UNLESS_ROOT();
    const TempFiles files;
    files.make("data", 50'000);
    files.make("small", 100);
    REQUIRE(::chmod(files.path().c_str(), 0755) == 0);
    for (const char* name : {"data", "small"}) {
        REQUIRE(::chmod(files.file(name).c_str(), 0644) == 0);
    }
    Child child = Child::start([&](Channel&) {
        STRATA_REQUIRE(::setresuid(65534, 65534, 65534) == 0);
        const MappedDirectory mapped(files.path());
        const BufferedDirectory buffered(files.path());
        for (const char* name : {"data", "small"}) {
            for (const FileDirectory& directory : std::vector<FileDirectory>{mapped, buffered}) {
                STRATA_REQUIRE_EQ(code_of([&] { (void)directory.residency(name); }),
                                  "permission_denied");
                STRATA_REQUIRE_EQ(code_of([&] { (void)directory.open(name).residency(); }),
                                  "permission_denied");
            }
        }
    });
    CHECK(child.join() == "");
}

TEST_CASE("residency of a small file is the file's, and unknown once its name is another's") {
    const TempFiles files;
    files.make("small", 5000);
    const MappedDirectory directory(files.path());
    const MappedInput input = directory.open("small");
    CHECK(input.residency().resident_bytes >= 5000);
    directory.write_file("small", "another");
    CHECK(code_of([&] { (void)input.residency(); }) == "file_not_found");
    directory.remove("small");
    CHECK(code_of([&] { (void)input.residency(); }) == "file_not_found");
    CHECK(input.view(0, 5000).size() == 5000);
}

TEST_CASE("descriptors beyond a limit that was lowered are not counted as if it allowed them") {
    STRATA_SKIP_IF(address_sanitized, "the sanitizer looks at objects through a pipe of its own");
    const TempFiles files;
    files.make("data", 100);
    const MappedDirectory directory(files.path());
    const int low = ::dup(0);
    ::close(low);
    const int high = ::fcntl(0, F_DUPFD_CLOEXEC, low + 10);
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    const rlimit lowered{static_cast<rlim_t>(low), before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
    const auto error = error_of([&] { (void)directory.open("data"); });
    ::setrlimit(RLIMIT_NOFILE, &before);
    ::close(high);
    REQUIRE(error);
    const std::string limit = std::to_string(low);
    CHECK(error->errno_value() == EMFILE);
    CHECK(error->limit() == static_cast<std::uint64_t>(low));
    CHECK(error->detail().find("ulimit -n: " + limit + ", all in use") != std::string::npos);
    CHECK(error->detail().find(" of " + limit) == std::string::npos);
}
