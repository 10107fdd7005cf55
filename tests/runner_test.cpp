// SPDX-License-Identifier: Apache-2.0
// Tests of the test runner itself (tests/main.cpp): each starts this very program again with a
// filter.
#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"

namespace {

int run_self(const std::string& arguments) {
    char self[4096];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    REQUIRE(length > 0);
    self[length] = '\0';
    const std::string command = "'" + std::string(self) + "' " + arguments + " >/dev/null 2>&1";
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_SUITE("inner" * doctest::skip()) {
    TEST_CASE("inner passes") { CHECK(true); }
    TEST_CASE("inner fails") { CHECK(false); }
    TEST_CASE("inner skips") { STRATA_SKIP_IF(true, "always"); }
    TEST_CASE("inner child escapes") {
        if (const pid_t child = fork(); child != 0) {
            int status = 0;
            REQUIRE(waitpid(child, &status, 0) == child);
            CHECK(WIFEXITED(status));
            CHECK(WEXITSTATUS(status) == 99);
        }
    }
}

TEST_CASE("a passing case gives 0, a failing one does not") {
    CHECK(run_self("--no-skip -tc='inner passes'") == 0);
    CHECK(run_self("--no-skip -tc='inner fails'") == 1);
}

TEST_CASE("a filter that matches nothing fails") { CHECK(run_self("-tc='no such case'") == 2); }

TEST_CASE("only skipped cases give 77, skipped beside passed ones 0") {
    CHECK(run_self("--no-skip -tc='inner skips'") == 77);
    CHECK(run_self("--no-skip -tc='inner skips,inner passes'") == 0);
}

TEST_CASE("a child that leaves its test case ends there") {
    CHECK(run_self("--no-skip -tc='inner child escapes'") == 0);
}

TEST_CASE("queries are not taken for an empty run") { CHECK(run_self("--list-test-cases") == 0); }
