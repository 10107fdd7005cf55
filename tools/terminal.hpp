// SPDX-License-Identifier: Apache-2.0
// Whether people sit at the ends of this program's streams, and how wide their window is.
#pragma once

#include <cstddef>

namespace strata::tools {

bool input_is_terminal() noexcept;
bool output_is_terminal() noexcept;
bool errors_are_terminal() noexcept;

/// Columns of the terminal that errors go to; 80 if it does not say.
std::size_t terminal_width() noexcept;

}  // namespace strata::tools
