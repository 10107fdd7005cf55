// SPDX-License-Identifier: Apache-2.0
// What /proc tells of other processes.
#pragma once

#include <cstdint>
#include <string>

namespace strata::tools {

/// The name of a process's program, made printable; `?` if there is no such process in this pid
/// namespace. A process in a container has another number there, so this can only be a hint.
std::string command_of(std::int64_t pid);

/// The first bytes of a small text file; empty if it cannot be read.
std::string read_text(const std::string& path);

}  // namespace strata::tools
