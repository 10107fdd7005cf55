// SPDX-License-Identifier: Apache-2.0
// What somebody may have meant who mistyped a word.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace strata::tools {

/// `did you mean "..."? `, naming the known word that `word` is a slip of, or nothing.
std::string did_you_mean(std::string_view word, const std::vector<std::string>& known);

}  // namespace strata::tools
