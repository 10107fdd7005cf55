// SPDX-License-Identifier: Apache-2.0
// A descriptor that tells when a store appears. No test here sleeps to let something happen.
#include <cerrno>
#include <cstdint>
#include <dlfcn.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <utility>

#include <doctest/doctest.h>

#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::code_of;
using strata::test::error_of;
using strata::test::TempStore;

namespace {

constexpr int long_enough_ms = 60'000;  // never waited out unless something is broken

bool readable(const StoreWatch& watch, int timeout_ms = 0) {
    pollfd entry{.fd = watch.descriptor(), .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, timeout_ms) == 1;
}

ProducerOptions under(const std::filesystem::path& base, const TempStore& store) {
    ProducerOptions options = store.producer_options();
    options.base_path = base;
    return options;
}

thread_local int refuse_watches_with = 0;

}  // namespace

extern "C" int inotify_add_watch(int watch, const char* path, std::uint32_t events) noexcept {
    if (refuse_watches_with != 0) {
        errno = refuse_watches_with;
        return -1;
    }
    using Watch = int (*)(int, const char*, std::uint32_t) noexcept;
    static const auto real = reinterpret_cast<Watch>(::dlsym(RTLD_NEXT, "inotify_add_watch"));
    return real(watch, path, events);
}

TEST_CASE("a watch tells of a store that is there, appears, goes and comes again") {
    const TempStore store;
    StoreWatch watch(store.name(), store.base());
    const int descriptor = watch.descriptor();
    CHECK_FALSE(watch.present());
    CHECK_FALSE(readable(watch));
    { const Producer producer = store.create(); }
    CHECK(readable(watch, long_enough_ms));
    CHECK(watch.present());
    CHECK_FALSE(readable(watch));
    CHECK(watch.present());  // it is still there
    CHECK(StoreWatch(store.name(), store.base()).present());

    remove_store(store.name(), store.base());
    CHECK_FALSE(watch.present());
    const Producer producer = store.create();
    CHECK(readable(watch, long_enough_ms));
    CHECK(watch.present());
    CHECK(watch.descriptor() == descriptor);
    CHECK(store.attach().snapshot().generation() == 1);
}

TEST_CASE("other stores make a watch readable, and no more than that") {
    const TempStore store;
    StoreWatch watch(store.name(), store.base());
    CHECK_FALSE(watch.present());
    const Producer other = Producer::create("other", store.producer_options());
    CHECK(readable(watch, long_enough_ms));
    CHECK_FALSE(watch.present());
    CHECK_FALSE(readable(watch));
}

TEST_CASE("a watch begins above a base directory that does not exist, and follows it") {
    const TempStore store;
    const std::filesystem::path base = store.base() / "not" / "there" / "yet";
    StoreWatch watch(store.name(), base);
    CHECK_FALSE(watch.present());
    for (const auto& next : {store.base() / "not", store.base() / "not" / "there", base}) {
        REQUIRE(std::filesystem::create_directory(next));
        CHECK(readable(watch, long_enough_ms));
        CHECK_FALSE(watch.present());
        CHECK_FALSE(readable(watch));
    }
    // Made, removed and made again: the watch is on the one that has the name.
    REQUIRE(std::filesystem::remove(base));
    CHECK(readable(watch, long_enough_ms));
    CHECK_FALSE(watch.present());
    REQUIRE(std::filesystem::create_directory(base));
    CHECK(readable(watch, long_enough_ms));
    CHECK_FALSE(watch.present());
    const Producer producer = Producer::create(store.name(), under(base, store));
    CHECK(readable(watch, long_enough_ms));
    CHECK(watch.present());
}

TEST_CASE("nothing is missed, whenever the store and its directories appear") {
    const TempStore store;
    for (int round = 0; round < 50; ++round) {
        const std::filesystem::path base = store.base() / std::to_string(round) / "a" / "b";
        StoreWatch watch(store.name(), base);
        std::thread maker(
            [&] { const Producer producer = Producer::create(store.name(), under(base, store)); });
        bool told = true;
        while (!watch.present() && told) {
            told = readable(watch, long_enough_ms);
        }
        maker.join();
        CHECK(told);
    }
}

TEST_CASE("what keeps a watch from being had, or from looking, is an error and no answer") {
    const TempStore store;
    CHECK(code_of([&] { const StoreWatch watch("a/b", store.base()); }) == "invalid_name");
    rlimit before{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
    StoreWatch watch(store.name(), store.base());
    const rlimit none{.rlim_cur = 0, .rlim_max = before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto refused = error_of([&] { const StoreWatch other(store.name(), store.base()); });
    const auto blind = error_of([&] { (void)watch.present(); });
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    for (const auto& error : {refused, blind}) {
        REQUIRE(error);
        CHECK(error->code() == Errc::system);
        CHECK(error->errno_value() == EMFILE);
        CHECK(error->operation() == "watch for \"store\"");
        CHECK(error->path() == store.base());
        CHECK(error->hint().find("max_user_instances") != std::string::npos);
    }
    CHECK_FALSE(watch.present());
    const Producer producer = store.create();
    CHECK(readable(watch, long_enough_ms));
    CHECK(watch.present());
}

TEST_CASE("a refused watch is told, and the next question answers") {
    const TempStore store;
    StoreWatch watch(store.name(), store.base());
    const auto refused = [&](int error) {
        // So that there is something to look at.
        std::filesystem::create_directory(store.base() / std::to_string(error));
        refuse_watches_with = error;
        const auto told = error_of([&] { (void)watch.present(); });
        const auto made = error_of([&] { const StoreWatch other(store.name(), store.base()); });
        refuse_watches_with = 0;
        REQUIRE(told);
        REQUIRE(made);
        CHECK(told->errno_value() == error);
        CHECK(made->code() == told->code());
        CHECK(told->path() == (error == ENOENT ? std::string("/") : store.base().string()));
        return told->code();
    };
    CHECK(refused(EACCES) == Errc::permission_denied);
    CHECK(refused(ENOSPC) == Errc::system);
    CHECK(refused(ENOMEM) == Errc::system);
    CHECK(refused(EINVAL) == Errc::system);
    CHECK(refused(ENAMETOOLONG) == Errc::system);
    CHECK_NOTHROW((void)refused(ENOENT));  // not even the root directory
    CHECK_FALSE(watch.present());
    const Producer producer = store.create();
    CHECK(readable(watch, long_enough_ms));
    CHECK(watch.present());
}

TEST_CASE("a watch can be moved, also while its base is a file that a directory replaces") {
    const TempStore store;
    const std::filesystem::path base = store.base() / "base";
    std::ofstream(base).put('x');
    StoreWatch watch(store.name(), base);
    CHECK_FALSE(watch.present());
    StoreWatch moved = std::move(watch);
    REQUIRE(std::filesystem::remove(base));
    CHECK_FALSE(moved.present());
    const Producer producer = Producer::create(store.name(), under(base, store));
    CHECK(readable(moved, long_enough_ms));
    CHECK(moved.present());
}

TEST_CASE("a watch follows its path: what it leads to may be exchanged at any place") {
    namespace fs = std::filesystem;
    const TempStore store;
    const fs::path& root = store.base();
    const auto make = [&](const fs::path& base) {
        const Producer producer = Producer::create(store.name(), under(base, store));
    };
    const auto told = [&](const fs::path& base, auto&& act) {
        StoreWatch watch(store.name(), base);
        CHECK_FALSE(watch.present());
        CHECK_FALSE(readable(watch));
        act();
        while (!watch.present()) {
            if (!readable(watch, long_enough_ms)) {
                return false;
            }
        }
        CHECK(code_of([&] { (void)Consumer::attach(store.name(), {.base_path = base}); }) ==
              "no error");
        return true;
    };
    fs::create_directories(root / "a" / "b" / "c");
    fs::create_directories(root / "other" / "b" / "c");
    make(root / "other" / "b" / "c");
    // Removed while somebody has it open, which is when a directory does not tell of its own end.
    CHECK(told(root / "a" / "b" / "c", [&] {
        const Producer open = Producer::create("x", under(root / "a" / "b" / "c", store));
        const fs::directory_iterator held(root / "a" / "b" / "c");
        fs::remove_all(root / "a" / "b");
        make(root / "a" / "b" / "c");
    }));
    remove_store(store.name(), root / "a" / "b" / "c");
    // A directory above has another name now.
    CHECK(told(root / "a" / "b" / "c", [&] {
        fs::rename(root / "a", root / "was");
        fs::rename(root / "other", root / "a");
    }));
    // A symbolic link on the way leads elsewhere: a relative one, an absolute one, one that
    // dangled.
    fs::create_directory_symlink("was", root / "link");
    fs::create_directory_symlink(root / "a", root / "next");
    CHECK(told(root / "link" / "b" / ".." / "b" / "c",
               [&] { fs::rename(root / "next", root / "link"); }));
    fs::create_directory_symlink("late/b", root / "dangling");
    CHECK(told(root / "dangling" / "c", [&] {
        fs::create_directory(root / "late");
        fs::rename(root / "a" / "b", root / "late" / "b");
    }));
    fs::create_directory_symlink("round", root / "round");
    const auto round = error_of([&] { const StoreWatch watch(store.name(), root / "round"); });
    REQUIRE(round);
    CHECK(round->errno_value() == ELOOP);
    // What happens beside the path wakes nobody.
    StoreWatch watch(store.name(), root / "was" / "b" / "c");
    CHECK_FALSE(watch.present());
    fs::create_directory(root / "beside");
    fs::remove(root / "beside");
    fs::create_directory(root / "was" / "beside");
    CHECK_FALSE(readable(watch));
}
