// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <unistd.h>

#include "ipc/os/descriptor.hpp"

namespace strata::ipc {

void FileDescriptor::reset() noexcept {
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
}

bool os::is_full(int error) noexcept { return error == ENOSPC || error == EDQUOT; }

}  // namespace strata::ipc
