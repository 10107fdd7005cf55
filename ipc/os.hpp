// SPDX-License-Identifier: Apache-2.0
// The operating system, as far as a store needs it, behind functions that say what is wanted. All
// system calls of the library are in ipc/os/; docs/porting.md says what a port provides. Functions
// report failure by errno values (0: success) and leave it to the caller, who knows the operation,
// to throw.
#pragma once

#include "ipc/os/descriptor.hpp"  // IWYU pragma: export
#include "ipc/os/events.hpp"      // IWYU pragma: export
#include "ipc/os/files.hpp"       // IWYU pragma: export
#include "ipc/os/locks.hpp"       // IWYU pragma: export
#include "ipc/os/process.hpp"     // IWYU pragma: export
#include "ipc/os/sleep.hpp"       // IWYU pragma: export
