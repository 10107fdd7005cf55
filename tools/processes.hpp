// SPDX-License-Identifier: Apache-2.0
// What /proc tells of other processes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

namespace strata::tools {

/// The name of a process's program, made printable; empty if there is no such process. The number
/// is one of this pid namespace: that of a lock may be of another.
std::string command_of(std::int64_t pid);

/// Whether a process (of this pid namespace) has the file open, as far as the user may know.
bool has_open(std::int64_t pid, const std::filesystem::path& file);

/// The first bytes of a small text file; empty if it cannot be read.
std::string read_text(const std::string& path);

}  // namespace strata::tools
