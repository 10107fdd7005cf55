// SPDX-License-Identifier: Apache-2.0
// Which file system a file lies on, and how it is mounted, as shown to people. Part of the
// operating-system layer, as os.hpp is, with the same way to report failure.
#pragma once

#include <string>

#include "ipc/os/files.hpp"

namespace strata::ipc::os {

struct Mount {
    std::string type{};     ///< "ext4", "tmpfs", "overlay"
    std::string point{};    ///< where it is mounted, in this mount namespace
    std::string options{};  ///< of the mount, then of the file system: "rw,noexec,relatime"
    bool read_only = false;
    bool no_exec = false;
};
/// Of an open file or directory. ENOENT: its mount is not in this namespace.
Result<Mount> mount_of(int fd);

}  // namespace strata::ipc::os
