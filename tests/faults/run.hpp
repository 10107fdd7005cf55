// SPDX-License-Identifier: Apache-2.0
// One run of a scenario: a partner, the subject, the Refuser that answers its calls, and whoever
// looks at the store afterwards.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "tests/faults/plan.hpp"
#include "tests/faults/scenarios.hpp"

namespace strata::test {

struct Outcome {
    bool refused = false;  ///< the call came that was to be refused
    std::string step{};    ///< in which
    std::string wrong{};   ///< empty if all was right
    std::map<CallSite, std::uint64_t> counts{};
    std::set<long> unknown{};
};

/// Without a plan: calls are counted, none is refused.
Outcome run(const Scenario& scenario, const std::optional<Plan>& plan);

/// What is wrong with a store that the subject left: nothing may be lost, damaged or left over.
void audit(const TempStore& store, const std::optional<Plan>& plan);

}  // namespace strata::test
