// SPDX-License-Identifier: Apache-2.0
// The crash points of the library, by name, and arming one of them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "tests/torture/ledger.hpp"

namespace strata::test {

/// All names in the sources of producer/ and consumer/, sorted.
std::span<const std::string_view> crash_points() noexcept;

/// In a program that is built with crash points: the process dies when it comes to `point` for the
/// `hit`-th time from now. Elsewhere it has no effect.
void arm(Ledger& ledger, std::string_view point, std::uint64_t hit) noexcept;

}  // namespace strata::test
