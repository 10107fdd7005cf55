// SPDX-License-Identifier: Apache-2.0
// How watch and diff show a change.
#pragma once

#include <string>

#include "console.hpp"

namespace strata::tools {

/// `updated  1/5  12 B -> 14 B  @name`
std::string change_text(const Settings& settings, const Change& change);

/// Keeps the changes of one dimension, if one is named: by number, or by its name before or after.
std::vector<Change> changes_between(const Snapshot& before, const Snapshot& after,
                                    const std::string& dimension);

}  // namespace strata::tools
