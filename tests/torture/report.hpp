// SPDX-License-Identifier: Apache-2.0
// The summary that a torture run ends with.
#pragma once

#include <chrono>
#include <cstdint>

#include "tests/torture/driver.hpp"

namespace strata::test {

/// Prints what was done and seen.
void report(Driver& driver, std::uint64_t seed, std::chrono::seconds time);

}  // namespace strata::test
