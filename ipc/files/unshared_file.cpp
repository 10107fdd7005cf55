// SPDX-License-Identifier: Apache-2.0
#include "ipc/files/unshared_file.hpp"

namespace strata::ipc {

constinit const FileDescriptor UnsharedFile::none;

// The number is closed while a child would still close it, not when it may be another file's.
UnsharedFile::Holder::~Holder() {
    {
        const std::lock_guard no_fork(process_mutex(ProcessLock::fork_hooks));
        file.reset();
    }
    unregister_hook();
}

void UnsharedFile::Holder::child_after_fork() noexcept { file.reset(); }

}  // namespace strata::ipc
