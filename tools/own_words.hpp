// SPDX-License-Identifier: Apache-2.0
// The library's errors as the command says them: its hints speak of options and functions that
// somebody at a prompt does not have.
#pragma once

#include "console.hpp"

namespace strata::tools {

/// The same error, with a hint that the command line can follow.
Error in_own_words(const Error& error);

}  // namespace strata::tools
