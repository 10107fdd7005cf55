// SPDX-License-Identifier: Apache-2.0
// Asking whether a producer lives while one ends and the next one begins, or while the system
// refuses to answer: "no" is said only when there is none. And names that are no sign of life.
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <unistd.h>

#include <doctest/doctest.h>

#include "ipc/files/life_file.hpp"
#include "tests/skip.hpp"
#include "tests/support/system_calls.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;

TEST_CASE("a successor that begins while one looks for its predecessor is found") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be interposed");
    const TempStore store;
    { const Producer first = store.create(); }
    const Consumer consumer = store.attach();
    std::optional<Producer> successor;
    {
        const BeforeOpening before(ipc::life_file_name(1),
                                   [&] { successor.emplace(store.open()); });
        CHECK(consumer.producer_pid() == ::getpid());
        CHECK(before.happened());
    }
    // As is the one after that, while the one that was seen ends.
    {
        const BeforeOpening before(ipc::life_file_name(2), [&] {
            successor.reset();
            successor.emplace(store.open());
        });
        CHECK(consumer.producer_alive());
        CHECK(before.happened());
    }
    {
        const BeforeOpening before(ipc::life_file_name(3), [&] { successor.reset(); });
        CHECK_FALSE(consumer.producer_alive());
        CHECK(before.happened());
    }
}

TEST_CASE("a question about a living producer that is refused is not answered with no") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    const TempStore store;
    const Producer producer = store.create();
    const Consumer consumer = store.attach();
    std::uint64_t n = 1;
    for (;; ++n) {
        std::optional<bool> alive;
        std::optional<Error> error;
        {
            const FailingCall failing(n);
            error = error_of([&] { alive = consumer.producer_alive(); });
        }
        CAPTURE(n);
        if (!FailingCall::happened()) {
            CHECK(alive == true);
            break;
        }
        REQUIRE(error);
        CHECK(error->errno_value() == FailingCall::error());
        CHECK(error->path() == store.file(ipc::life_file_name(1)));
        CHECK(error->detail() == "cannot find out whether a producer lives");
    }
    CHECK(n > 2);  // it opens a file and asks for its locks
}

TEST_CASE("a producer that cannot make its sign of life leaves none") {
    STRATA_SKIP_IF(!calls_can_fail, "with this sanitizer no call can be made to fail");
    const TempStore store;
    { const Producer producer = store.create(); }
    const auto directory = ipc::os::open_directory(store.path().string());
    REQUIRE(directory);
    std::uint64_t n = 1;
    for (;; ++n) {
        std::optional<Error> error;
        {
            const FailingCall failing(n);
            error = error_of([&] {
                ipc::LifeFile life = ipc::LifeFile::make(directory.value, 7, {.mode = 0644}, "open",
                                                         store.path().native());
                const OwnCalls own;
                CHECK(life.number() == 7);
                CHECK(std::filesystem::exists(store.file("life-7.lock")));
                life.end(directory.value);
            });
        }
        CAPTURE(n);
        CHECK_FALSE(std::filesystem::exists(store.file("life-7.lock")));
        if (!FailingCall::happened()) {
            CHECK_FALSE(error);
            break;
        }
        REQUIRE(error);
        CHECK(error->errno_value() == FailingCall::error());
        CHECK(error->path() == store.file("life-7.lock"));
        CHECK((error->hint().find("group") != std::string::npos) ==
              (FailingCall::error() == EPERM));
    }
    CHECK(n > 3);  // the file, its lock, its mode
}

TEST_CASE("the name of a sign of life is read as it is written, and nothing else is one") {
    std::uint64_t number = 0;
    for (const std::uint64_t written : {std::uint64_t{0}, std::uint64_t{7}, ~std::uint64_t{0}}) {
        REQUIRE(ipc::parse_life_file_name(ipc::life_file_name(written), number));
        CHECK(number == written);
    }
    for (const std::string_view name :
         {"", "life-", ".lock", "life-.lock", "life.lock", "life-x.lock", "life-1", "life-1.loc",
          "life-1.lock2", "xlife-1.lock", "life-1x.lock", "life- 1.lock", "life--1.lock",
          "life-+1.lock", "life-18446744073709551616.lock", "region-1.mmap"}) {
        CAPTURE(name);
        CHECK_FALSE(ipc::parse_life_file_name(name, number));
    }
}
