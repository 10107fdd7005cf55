// SPDX-License-Identifier: Apache-2.0
// strata_bench [--quick] [--rounds N] [--json FILE] [--base DIRECTORY] [--command TEXT]
//              [--software TEXT] [--list] [NAME...]
// Runs the rows whose names start with a NAME. Exit codes: 0 done (budgets may be missed), 1 a
// contestant returned wrong bytes or something failed, 2 wrong usage.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>

#include "bench/harness/context.hpp"
#include "bench/rows/groups.hpp"

namespace {

using strata::bench::Group;
using strata::bench::Options;

int usage(const char* complaint) {
    std::fprintf(stderr,
                 "strata_bench: %s\nusage: strata_bench [--quick] [--rounds N] [--json FILE] "
                 "[--base DIRECTORY] [--list] [NAME...]\n",
                 complaint);
    return 2;
}

bool known(const std::string& name) {
    const std::string first = name.substr(0, name.find('/'));
    for (const Group& group : strata::bench::all_groups()) {
        if (first == group.name) {
            return true;
        }
    }
    return false;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    options.command = "./dev bench";
    options.base = "/dev/shm";
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const bool has_value = i + 1 < argc;
        if (argument == "--quick") {
            options.quick = true;
        } else if (argument == "--list") {
            for (const Group& group : strata::bench::all_groups()) {
                std::printf("%-10s %s\n", group.name, group.what);
            }
            return 0;
        } else if (argument == "--rounds" && has_value) {
            options.rounds = std::atoi(argv[++i]);
        } else if (argument == "--json" && has_value) {
            options.json = argv[++i];
        } else if (argument == "--base" && has_value) {
            options.base = argv[++i];
        } else if (argument == "--software" && has_value) {
            options.software = argv[++i];
        } else if (argument == "--command" && has_value) {
            options.command = argv[++i];
        } else if (argument.starts_with("-")) {
            return usage(("what is " + argument + "?").c_str());
        } else if (!known(argument)) {
            return usage(("there is no row " + argument + "; --list shows the groups").c_str());
        } else {
            options.names.push_back(argument);
        }
    }
    if (options.rounds < 1) {
        return usage("--rounds needs a positive number");
    }
    std::string base = (options.base / "strata-bench.XXXXXX").string();
    if (mkdtemp(base.data()) == nullptr) {
        return usage(("cannot create " + base + ": " + std::strerror(errno)).c_str());
    }
    options.base = base;
    int status = 0;
    try {
        strata::bench::Context context(options);
        // One core for whatever runs alone; the multi-process rows pin their own processes.
        strata::bench::pin_to(strata::bench::usable_cpus().size() - 1);
        for (const Group& group : strata::bench::all_groups()) {
            if (context.wants(group.name)) {
                group.run(context);
            }
        }
    } catch (const std::exception& error) {
        std::fprintf(stderr, "strata_bench: FAILED: %s\n", error.what());
        status = 1;
    }
    std::error_code ignored;
    std::filesystem::remove_all(base, ignored);
    return status;
}
