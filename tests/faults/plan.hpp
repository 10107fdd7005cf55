// SPDX-License-Identifier: Apache-2.0
// What is refused in one run, and its spelling: call[@thread]:ERRNO:n:once|sticky:scenario.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace strata::test {

enum class ThreadClass : unsigned char { main, background, child };

std::string_view to_string(ThreadClass which) noexcept;

/// Which calls are counted: of one kind, by one class of threads.
struct CallSite {
    std::string kind{};
    ThreadClass thread = ThreadClass::main;

    friend auto operator<=>(const CallSite&, const CallSite&) = default;
};

std::string to_string(const CallSite& site);

struct Plan {
    CallSite site{};
    int error = 0;
    std::uint64_t nth = 0;  ///< call of the site, from 1
    bool sticky = false;    ///< and every later one of the kind, by whatever thread
    std::string scenario{};
};

std::string to_string(const Plan& plan);
/// Throws Failure if it is spelled wrongly.
Plan parse_plan(std::string_view text);

}  // namespace strata::test
