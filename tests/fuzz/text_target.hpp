// SPDX-License-Identifier: Apache-2.0
// The fuzz target of names and paths.
#pragma once

#include "tests/fuzz/target.hpp"

namespace strata::fuzz {

/// Names that come out of shared memory, made fit for a terminal and for JSON; names of stores and
/// files that are taken apart.
RunInput text_target();

}  // namespace strata::fuzz
