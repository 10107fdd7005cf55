// SPDX-License-Identifier: Apache-2.0
// A layer named on the command line, in a snapshot.
#pragma once

#include <string>

#include "console.hpp"

namespace strata::tools {

/// Where `put`, `get` and `rm` point to.
struct Target {
    std::string store;
    std::string dimension;
    std::string layer;
};

void add_target(CLI::App* command, Target& target);

/// The layer; throws Error{dimension_not_found, layer_not_found, corrupt}.
Layer find_layer(const Snapshot& snapshot, const Target& target, LayerId& id);

/// All bytes of a file, or of standard input for "-".
std::string read_input(const std::string& file);

}  // namespace strata::tools
