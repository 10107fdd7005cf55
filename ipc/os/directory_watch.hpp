// SPDX-License-Identifier: Apache-2.0
// One descriptor that watches directories which may change while it is in use.
#pragma once

#include <string>

#include "ipc/os.hpp"

namespace strata::ipc::os {

/// What is told of a directory.
enum class Watched : unsigned char {
    itself,    ///< it is renamed, or gone and nobody has it open any more
    removals,  ///< and: a name in it goes (of a directory that somebody has open, all there is)
    names,     ///< and: a name in it appears, or stands for something else
};

/// Readable when something has happened to the directories that it watches. Watches none yet.
Result<FileDescriptor> make_directory_watch();
/// Watches one more directory, or this from now on if it is watched already: its number, always the
/// same one as long as the directory is watched.
Result<int> watch_also(int watch, const std::string& path, Watched what);
/// Stops watching it. No error if the directory is gone, and its watch with it.
void watch_no_more(int watch, int number) noexcept;

/// Whether an errno says that this user has no more watches to give.
bool is_out_of_watches(int error) noexcept;
/// What to try when no watch can be created; empty: no advice.
std::string watch_hint(int error);

}  // namespace strata::ipc::os
