// SPDX-License-Identifier: Apache-2.0
// Files that a store's user has no reason to trust: of other kinds, other users, or open to
// writers.
#include <cstdint>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/left_store.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::attach_code;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::get_code;
using strata::test::LeftStore;
using strata::test::open_code;

namespace {

namespace fs = std::filesystem;

constexpr uid_t nobody = 65534;

}  // namespace

TEST_CASE("a fifo, a link or a directory planted as control file is refused without hanging") {
    const auto plant = [](const char* kind, auto make) {
        CAPTURE(kind);
        const LeftStore store;
        fs::rename(store.control(), store.file("real"));
        make(store.control());
        const std::string code = attach_code(store);
        CHECK(open_code(store) == code);
        return code;
    };
    CHECK(plant("fifo", [](const fs::path& path) { REQUIRE(::mkfifo(path.c_str(), 0644) == 0); }) ==
          "not_a_store");
    CHECK(plant("link", [](const fs::path& path) { fs::create_symlink("real", path); }) ==
          "not_trusted");
    CHECK(plant("directory", [](const fs::path& path) { fs::create_directory(path); }) ==
          "not_a_store");
}

TEST_CASE("a link or a directory planted as lock file does not make a producer of anybody") {
    const LeftStore linked;
    fs::rename(linked.lock(), linked.file("real"));
    fs::create_symlink("real", linked.lock());
    CHECK(open_code(linked) == "not_trusted");
    CHECK(code_of([&] { remove_store(linked.name(), linked.base()); }) == "not_trusted");
    const LeftStore directory;
    fs::remove(directory.lock());
    fs::create_directory(directory.lock());
    CHECK(open_code(directory) == "system");
}

TEST_CASE("files and directories that everybody may write to are not trusted") {
    const LeftStore store;
    const auto with_mode = [](const fs::path& path, mode_t mode, mode_t usual, auto action) {
        REQUIRE(::chmod(path.c_str(), mode) == 0);
        action();
        REQUIRE(::chmod(path.c_str(), usual) == 0);
    };
    with_mode(store.path(), 0777, 0755, [&] {
        CHECK(attach_code(store) == "not_trusted");
        CHECK(open_code(store) == "not_trusted");
    });
    with_mode(store.control(), 0666, 0644, [&] {
        CHECK(attach_code(store) == "not_trusted");
        CHECK(open_code(store) == "not_trusted");
        ConsumerOptions options = store.consumer_options();
        options.trusted_owner = TrustedOwner::anybody;
        CHECK(code_of([&] { (void)Consumer::attach(store.name(), options); }) == "not_trusted");
    });
    with_mode(store.region(), 0646, 0644, [&] {
        CHECK(get_code(store) == "not_trusted");
        CHECK(open_code(store) == "not_trusted");
    });
    CHECK(open_code(store) == "no error");
    CHECK(store.attach().snapshot().find({1, 1}));
}

TEST_CASE("files that may not be read give permission_denied") {
    const LeftStore store;
    REQUIRE(::chmod(store.base().c_str(), 0755) == 0);
    const bool root = ::geteuid() == 0;
    // Root reads everything: look with other eyes.
    const auto refused = [&](const fs::path& path, auto action) {
        REQUIRE(::chmod(path.c_str(), 0) == 0);
        if (root) REQUIRE(::seteuid(nobody) == 0);
        const std::string code = action();
        if (root) REQUIRE(::seteuid(0) == 0);
        REQUIRE(::chmod(path.c_str(), fs::is_directory(path) ? 0755 : 0644) == 0);
        return code;
    };
    CHECK(refused(store.control(), [&] { return attach_code(store); }) == "permission_denied");
    CHECK(refused(store.path(), [&] { return attach_code(store); }) == "permission_denied");
    CHECK(refused(store.region(), [&] { return get_code(store); }) == "permission_denied");
    CHECK(refused(store.lock(), [&] { return open_code(store); }) == "permission_denied");
}

TEST_CASE("a store of another user is attached only if that user is trusted") {
    STRATA_SKIP_UNLESS_ROOT();
    const LeftStore store;
    for (const fs::path& path : {store.path(), store.control(), store.region()}) {
        REQUIRE(::lchown(path.c_str(), nobody, static_cast<gid_t>(-1)) == 0);
    }
    const auto code_with = [&](TrustedOwner trusted, std::uint32_t owner) {
        ConsumerOptions options = store.consumer_options();
        options.trusted_owner = trusted;
        options.owner = owner;
        return code_of([&] {
            (void)Consumer::attach(store.name(), options).snapshot().get({1, 1});
        });
    };
    CHECK(code_with(TrustedOwner::self_or_root, 0) == "not_trusted");
    CHECK(code_with(TrustedOwner::user, nobody - 1) == "not_trusted");
    CHECK(code_with(TrustedOwner::user, nobody) == "no error");
    CHECK(code_with(TrustedOwner::anybody, 0) == "no error");
    CHECK(open_code(store) == "not_trusted");
    const auto error = error_of([&] { store.attach(); });
    REQUIRE(error);
    CHECK(error->detail().find(std::to_string(nobody)) != std::string::npos);
    CHECK_FALSE(error->hint().empty());
}
