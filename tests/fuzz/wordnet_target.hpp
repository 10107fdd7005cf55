// SPDX-License-Identifier: Apache-2.0
// The fuzz target of the WordNet example's parser.
#pragma once

#include "tests/fuzz/target.hpp"

namespace strata::fuzz {

/// An input is the five files that a WordNet source consists of, each ended by a byte 0x1F.
RunInput wordnet_target();

}  // namespace strata::fuzz
