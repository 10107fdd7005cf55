// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/plan.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "tests/faults/call_table.hpp"
#include "tests/support/process.hpp"

namespace strata::test {

namespace {

constexpr std::array classes{ThreadClass::main, ThreadClass::background, ThreadClass::child};

CallSite parse_site(std::string_view text) {
    const std::size_t at = text.find('@');
    const std::string_view name = text.substr(0, at);
    if (kind_named(name) == nullptr) {
        throw Failure("there is no call \"" + std::string(name) + "\"");
    }
    if (at == std::string_view::npos) {
        return {.kind = std::string(name)};
    }
    const auto found = std::find_if(classes.begin(), classes.end(), [&](ThreadClass which) {
        return to_string(which) == text.substr(at + 1);
    });
    if (found == classes.end()) {
        throw Failure("after @ stands main, background or child");
    }
    return {.kind = std::string(name), .thread = *found};
}

}  // namespace

std::string_view to_string(ThreadClass which) noexcept {
    switch (which) {
        case ThreadClass::main: return "main";
        case ThreadClass::background: return "background";
        case ThreadClass::child: break;
    }
    return "child";
}

std::string to_string(const CallSite& site) {
    std::string text = site.kind;
    if (site.thread != ThreadClass::main) {
        text.append(1, '@').append(to_string(site.thread));
    }
    return text;
}

std::string to_string(const Plan& plan) {
    return to_string(plan.site) + ":" + errno_name(plan.error) + ":" + std::to_string(plan.nth) +
           (plan.sticky ? ":sticky:" : ":once:") + plan.scenario;
}

Plan parse_plan(std::string_view text) {
    std::array<std::string_view, 5> parts;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        const std::size_t colon = text.find(':');
        if ((colon == std::string_view::npos) != (i + 1 == parts.size())) {
            throw Failure("a plan is call[@thread]:ERRNO:n:once|sticky:scenario");
        }
        parts[i] = text.substr(0, colon);
        text.remove_prefix(colon == std::string_view::npos ? text.size() : colon + 1);
    }
    Plan plan{.site = parse_site(parts[0]),
              .error = errno_named(parts[1]),
              .sticky = parts[3] == "sticky",
              .scenario = std::string(parts[4])};
    std::from_chars(parts[2].data(), parts[2].data() + parts[2].size(), plan.nth);
    if (plan.error == 0 || plan.nth == 0 || (!plan.sticky && parts[3] != "once")) {
        throw Failure("a plan is call[@thread]:ERRNO:n:once|sticky:scenario");
    }
    return plan;
}

}  // namespace strata::test
