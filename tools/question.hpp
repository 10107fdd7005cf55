// SPDX-License-Identifier: Apache-2.0
// Asking before something is lost for good.
#pragma once

#include <string>

namespace strata::tools {

/// Whether somebody is there to answer: standard input and standard error are terminals.
bool can_ask() noexcept;

/// Asks on standard error, reads one line; anything but `y` or `yes` is a no, the end of the input
/// as well.
bool confirmed(const std::string& question);

}  // namespace strata::tools
