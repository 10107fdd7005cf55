// SPDX-License-Identifier: Apache-2.0
#include "bench/harness/row.hpp"

#include <algorithm>
#include <cstdio>

#include "bench/harness/stats.hpp"

namespace strata::bench {

std::string Budget::text() const {
    char number[32];
    std::snprintf(number, sizeof number, "%g", limit);
    const std::string what = under.empty() ? over : over + " / " + under;
    return what + (bound == Bound::at_most ? " ≤ " : " ≥ ") + number;
}

Contestant& Row::contestant(const std::string& who, Role role) {
    for (Contestant& known : contestants) {
        if (known.name == who) {
            return known;
        }
    }
    contestants.push_back({.name = who, .role = role});
    return contestants.back();
}

const Contestant* Row::find(const std::string& who) const {
    const auto at = std::find_if(contestants.begin(), contestants.end(),
                                 [&](const Contestant& known) { return known.name == who; });
    return at != contestants.end() ? &*at : nullptr;
}

void Row::value(const std::string& who, Role role, double one_round) {
    contestant(who, role).rounds.push_back(one_round);
}

void Row::not_run(const std::string& who, Role role, const std::string& reason) {
    contestant(who, role).not_run = reason;
}

void Row::at_most(double limit, const std::string& over, const std::string& under) {
    budgets.push_back({.over = over, .under = under, .bound = Bound::at_most, .limit = limit});
}

void Row::at_least(double limit, const std::string& over, const std::string& under) {
    budgets.push_back({.over = over, .under = under, .bound = Bound::at_least, .limit = limit});
}

std::optional<double> Row::ratio(const std::string& over, const std::string& under) const {
    const Contestant* const above = find(over);
    const Contestant* const below = find(under);
    if (above == nullptr || below == nullptr || above->rounds.empty() || below->rounds.empty()) {
        return std::nullopt;
    }
    std::vector<double> ratios;
    for (std::size_t i = 0; i < std::min(above->rounds.size(), below->rounds.size()); ++i) {
        ratios.push_back(above->rounds[i] / below->rounds[i]);
    }
    return median(ratios);
}

void Row::evaluate() {
    for (Budget& budget : budgets) {
        if (!budget.under.empty()) {
            budget.measured = ratio(budget.over, budget.under);
        } else if (const Contestant* const over = find(budget.over);
                   over != nullptr && !over->rounds.empty()) {
            budget.measured = median(over->rounds);
        }
    }
}

}  // namespace strata::bench
