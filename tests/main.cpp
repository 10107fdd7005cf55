// SPDX-License-Identifier: Apache-2.0
// The main() of every test program: doctest's, with three gaps closed.
//  - A filter that matches no test case fails instead of passing silently.
//  - A child process that leaves its test case ends there instead of running the remaining tests.
//  - A program whose every test case was skipped (tests/skip.hpp) exits 77: ctest reports
//  "Skipped".
#define DOCTEST_CONFIG_IMPLEMENT
#include <cstdio>
#include <string>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/skip.hpp"

// Producers and consumers have threads of their own, and so have children that tests fork beside
// them. (Only a build with ThreadSanitizer calls this.)
extern "C" const char* __tsan_default_options();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __tsan_default_options() {
    return "die_after_fork=0";
}  // NOLINT(bugprone-reserved-identifier)

namespace {

constexpr int exit_skipped = 77;
constexpr int exit_no_match = 2;
constexpr int exit_escaped_child = 99;

const pid_t main_process = getpid();
const char* current_case = "";
unsigned cases_run = 0;
unsigned cases_skipped = 0;
bool current_skipped = false;

class Listener final : public doctest::IReporter {
public:
    explicit Listener(const doctest::ContextOptions& /*options*/) {}

    void test_case_start(const doctest::TestCaseData& data) override {
        current_case = data.m_name;
        current_skipped = false;
        ++cases_run;
    }
    void test_case_end(const doctest::CurrentTestCaseStats& /*stats*/) override {
        if (current_skipped) ++cases_skipped;
        if (getpid() == main_process) return;
        std::fprintf(stderr, "test case \"%s\": a child process came back from it\n", current_case);
        std::fflush(nullptr);
        _exit(exit_escaped_child);
    }

    void report_query(const doctest::QueryData& /*data*/) override {}
    void test_run_start() override {}
    void test_run_end(const doctest::TestRunStats& /*stats*/) override {}
    void test_case_reenter(const doctest::TestCaseData& /*data*/) override {}
    void test_case_exception(const doctest::TestCaseException& /*error*/) override {}
    void subcase_start(const doctest::SubcaseSignature& /*signature*/) override {}
    void subcase_end() override {}
    void log_assert(const doctest::AssertData& /*data*/) override {}
    void log_message(const doctest::MessageData& /*data*/) override {}
    void test_case_skipped(const doctest::TestCaseData& /*data*/) override {}
};

}  // namespace

REGISTER_LISTENER("strata", 1, Listener);

namespace strata::test {

void report_skip(const std::string& reason) {
    current_skipped = true;
    std::printf("SKIP: %s: %s\n", current_case, reason.c_str());
}

}  // namespace strata::test

int main(int argc, char** argv) {
    doctest::Context context(argc, argv);
    const int result = context.run();
    if (context.shouldExit()) return result;  // --help, --list-test-cases, ...
    if (cases_run == 0) {
        std::fprintf(stderr, "no test case matches the filter\n");
        return exit_no_match;
    }
    if (result == 0 && cases_skipped == cases_run) return exit_skipped;
    return result;
}
