// SPDX-License-Identifier: Apache-2.0
// Calls of the system for which the library's interface has no name. What fails is an Error, and
// nothing else of the program reads errno.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <strata/error.hpp>

namespace strata::tools {

/// Makes a call that says whether it succeeded. The error: permission_denied or system, with the
/// system's words as its detail; without any if the call does not say why it failed.
std::optional<Error> failure_of(const std::function<bool()>& call, std::string operation,
                                std::string path);

}  // namespace strata::tools
