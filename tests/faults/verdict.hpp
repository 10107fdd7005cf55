// SPDX-License-Identifier: Apache-2.0
// Whether an exception is a fit answer to a refused call.
#pragma once

#include <exception>
#include <filesystem>
#include <optional>
#include <string>

#include "tests/faults/plan.hpp"

namespace strata::test {

/// Empty, or what is wrong with it. `plan`: what was refused, if anything.
std::string verdict_on(const std::exception& error, const std::optional<Plan>& plan,
                       const std::filesystem::path& base);

}  // namespace strata::test
