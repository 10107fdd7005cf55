// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <unistd.h>

namespace strata::test {

/// Marks the running test case as skipped and prints why.
void report_skip(const std::string& reason);

}  // namespace strata::test

/// Leaves the test case as skipped when `condition` holds. If that happens to every test case of a
/// program, ctest shows it as "Skipped": so keep test cases that need root in a program of their
/// own.
#define STRATA_SKIP_IF(condition, reason)        \
    do {                                         \
        if (condition) {                         \
            ::strata::test::report_skip(reason); \
            return;                              \
        }                                        \
    } while (false)

#define STRATA_SKIP_UNLESS_ROOT() STRATA_SKIP_IF(::geteuid() != 0, "needs root")
