// SPDX-License-Identifier: Apache-2.0
// What a fuzz target demands. A broken demand ends the process, which the fuzzer calls a crash.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <utility>

#include <strata/error.hpp>

namespace strata::fuzz {

inline void require(bool holds, const char* what) {
    if (!holds) {
        std::fprintf(stderr, "does not hold: %s\n", what);
        std::abort();
    }
}

/// Runs `action`; true if it ended well, false if in a typed error. Anything else that it throws
/// ends the process.
template <class Action>
bool typed(Action&& action) {
    try {
        std::forward<Action>(action)();
        return true;
    } catch (const Error& error) {
        require(to_string(error.code()) != "unknown", "the code of an error is known");
        require(error.what()[0] != '\0', "an error says what happened");
        return false;
    }
}

}  // namespace strata::fuzz
