// SPDX-License-Identifier: Apache-2.0
// The lives in which calls are refused: producers, consumers, and those who look at stores.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/faults/subject.hpp"

namespace strata::test {

struct Scenario {
    std::string name{};
    bool prepared = true;  ///< there is a store with contents beforehand
    std::function<void(Subject&)> run{};
};

std::vector<Scenario> producer_scenarios();
std::vector<Scenario> slow_reader_scenarios();
std::vector<Scenario> consumer_scenarios();
std::vector<Scenario> bookmark_scenarios();
std::vector<Scenario> store_scenarios();

/// All of them. Throws Failure in the second form if there is none of that name.
const std::vector<Scenario>& scenarios();
const Scenario& scenario_named(std::string_view name);

}  // namespace strata::test
