// SPDX-License-Identifier: Apache-2.0
// What an error says, word by word, and which code an errno becomes.
#include <cerrno>
#include <csignal>
#include <string>
#include <unistd.h>
#include <utility>

#include <doctest/doctest.h>

#include "ipc/failure.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using strata::test::error_of;

TEST_CASE("the line of an error has all its parts in order, and no traces of those it has not") {
    const auto line = [](Error::Parts parts) {
        return std::string(Error(std::move(parts)).what());
    };
    CHECK(line({.operation = "open"}) == "open");
    CHECK(line({.operation = "open", .path = "/p"}) == "open: /p");
    CHECK(line({.operation = "open", .detail = "why"}) == "open: why");
    CHECK(line({.operation = "open", .hint = "do"}) == "open; do");
    CHECK(line({.operation = "open", .errno_value = ENOENT}) == "open (No such file or directory)");
    CHECK(line({.operation = "open",
                .path = "/p",
                .detail = "why",
                .hint = "do",
                .errno_value = EACCES}) == "open: /p: why (Permission denied); do");
}

TEST_CASE("an error keeps every part that it was given") {
    const Error error({.code = Errc::no_space,
                       .operation = "put",
                       .path = "/p",
                       .detail = "why",
                       .hint = "do",
                       .errno_value = ENOSPC,
                       .needed = 3,
                       .limit = 2,
                       .current = 1});
    CHECK(error.code() == Errc::no_space);
    CHECK(error.operation() == "put");
    CHECK(error.path() == "/p");
    CHECK(error.detail() == "why");
    CHECK(error.hint() == "do");
    CHECK(error.errno_value() == ENOSPC);
    CHECK(error.needed() == 3);
    CHECK(error.limit() == 2);
    CHECK(error.current() == 1);
}

TEST_CASE("an errno becomes the code that a caller can act on") {
    for (const auto& [number, code] :
         {std::pair{ENOENT, Errc::store_not_found}, std::pair{EACCES, Errc::permission_denied},
          std::pair{EPERM, Errc::permission_denied}, std::pair{EROFS, Errc::permission_denied},
          std::pair{ENOSPC, Errc::no_space}, std::pair{EDQUOT, Errc::no_space},
          std::pair{ELOOP, Errc::not_trusted}, std::pair{ENOTDIR, Errc::not_trusted},
          std::pair{EIO, Errc::system}, std::pair{ENOMEM, Errc::system}}) {
        const int value = number;
        CAPTURE(value);
        CHECK(ipc::errc_of(number) == code);
        const auto error = error_of([&] { ipc::fail_errno(value, "op", "/p", "what", "do"); });
        REQUIRE(error);
        CHECK(error->code() == code);
        CHECK(error->errno_value() == number);
        CHECK(error->operation() == "op");
        CHECK(error->path() == "/p");
        CHECK(error->detail() == "what");
        CHECK(error->hint() == "do");
    }
    const auto error = error_of([] { ipc::fail(Errc::corrupt, "op", "/p", "what", "do"); });
    REQUIRE(error);
    CHECK(std::string(error->what()) == "op: /p: what; do");
    CHECK(error->errno_value() == 0);
}

TEST_CASE("texts of others are quoted within bounds") {
    CHECK(ipc::quoted("name") == "\"name\"");
    CHECK(ipc::quoted("") == "\"\"");
    CHECK(ipc::quoted(std::string(80, 'x')) == "\"" + std::string(80, 'x') + "\"");
    CHECK(ipc::quoted(std::string(81, 'x')) == "\"" + std::string(80, 'x') + "...\"");
    for (const char c : {'\n', '\x1b', '\x7f', '\0'}) {
        CHECK(ipc::quoted(std::string("a") + c + "b").find(c) == std::string::npos);
    }
}

TEST_CASE("an internal error ends the process") {
    CHECK(strata::test::Child::start([](strata::test::Channel&) {
              ::close(STDERR_FILENO);  // it says so there
              ipc::bug("tried on purpose");
          }).join_killed(SIGABRT) == "");
}
