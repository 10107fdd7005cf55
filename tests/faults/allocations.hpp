// SPDX-License-Identifier: Apache-2.0
// Private memory, refused as a system call is: the nth allocation of a subject throws bad_alloc,
// alone or with all that follow.
#pragma once

#include <optional>
#include <string_view>

#include "tests/faults/plan.hpp"
#include "tests/faults/stage.hpp"

namespace strata::test {

/// The kind of call that an allocation counts as.
inline constexpr std::string_view allocation_kind = "new";

/// From here on this process's allocations are counted and, if the plan is of their kind, refused.
/// The calling thread is its main thread.
void watch_allocations(const std::optional<Plan>& plan, Stage& stage);

}  // namespace strata::test
