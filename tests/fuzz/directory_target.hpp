// SPDX-License-Identifier: Apache-2.0
// Inputs of mapped, grouped and buffered files, driven by a list of operations, beside an oracle.
#pragma once

#include "tests/fuzz/target.hpp"

namespace strata::fuzz {

RunInput directory_input_target();

}  // namespace strata::fuzz
