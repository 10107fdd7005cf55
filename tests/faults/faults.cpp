// SPDX-License-Identifier: Apache-2.0
// Refuses every system call of the library, each with every errno that its manual page allows and
// some that it does not, once and from then on, wherever a scenario makes it: docs/testing.md.
//   faults [--all] [--runs N] [--seed S] [--jobs J] [--scenario NAME] [--only PLAN] [--list]
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/faults/campaign.hpp"
#include "tests/faults/refuser.hpp"
#include "tests/faults/run.hpp"

namespace {

using namespace strata::test;

struct Options {
    Campaign campaign{};
    std::string only{};
    bool list = false;
};

bool number(const char* text, auto& value) {
    const std::string_view word(text);
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    return error == std::errc{} && end == word.data() + word.size();
}

bool parse(int argc, char** argv, Options& options) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view word = argv[i];
        const bool more = i + 1 < argc;
        bool right = true;
        if (word == "--all") {
            options.campaign.runs = 0;
        } else if (word == "--list") {
            options.list = true;
        } else if (!more) {
            right = false;
        } else if (word == "--runs") {
            right = number(argv[++i], options.campaign.runs);
        } else if (word == "--seed") {
            right = number(argv[++i], options.campaign.seed);
        } else if (word == "--jobs") {
            right = number(argv[++i], options.campaign.jobs) && options.campaign.jobs > 0;
        } else if (word == "--scenario") {
            options.campaign.scenario = argv[++i];
        } else if (word == "--only") {
            options.only = argv[++i];
        } else {
            right = false;
        }
        if (!right) {
            return false;
        }
    }
    return true;
}

int run_one(const std::string& text) {
    const Plan plan = parse_plan(text);
    const Outcome outcome = run(scenario_named(plan.scenario), plan);
    std::printf("%s %s\n%s", text.c_str(),
                outcome.refused ? ("refused in: " + outcome.step).c_str() : "never came",
                outcome.wrong.c_str());
    return outcome.wrong.empty() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    options.campaign.jobs = std::max(1U, std::thread::hardware_concurrency());
    if (!parse(argc, argv, options)) {
        std::fprintf(stderr,
                     "usage: faults [--all] [--runs N] [--seed S] [--jobs J] [--scenario NAME] "
                     "[--only CALL[@THREAD]:ERRNO:N:once|sticky:SCENARIO] [--list]\n");
        return 2;
    }
    try {
        if (options.list) {
            for (const Scenario& scenario : scenarios()) {
                std::printf("%s\n", scenario.name.c_str());
            }
            return 0;
        }
        const std::string reason = refusing_impossible();
        if (!reason.empty()) {
            std::printf("skipped: %s\n", reason.c_str());
            return 77;
        }
        return options.only.empty() ? (conduct(options.campaign) ? 0 : 1) : run_one(options.only);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "faults: %s\n", error.what());
        return 2;
    }
}
