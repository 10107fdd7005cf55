// SPDX-License-Identifier: Apache-2.0
#include <cerrno>
#include <cstdint>
#include <sys/inotify.h>

#include "ipc/os/directory_watch.hpp"
#include "ipc/os/linux_calls.hpp"

namespace strata::ipc::os {

Result<FileDescriptor> make_directory_watch() {
    return opened(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
}

Result<int> watch_also(int watch, const std::string& path, Watched what) {
    std::uint32_t events = IN_DELETE_SELF | IN_MOVE_SELF;
    events |= what != Watched::itself ? IN_DELETE : 0;
    events |= what == Watched::names ? IN_CREATE | IN_MOVED_TO : 0;
    const int number = ::inotify_add_watch(watch, path.c_str(), events | IN_ONLYDIR);
    return {number, number < 0 ? errno : 0};
}

void watch_no_more(int watch, int number) noexcept { ::inotify_rm_watch(watch, number); }

bool is_out_of_watches(int error) noexcept { return error == ENOSPC; }

std::string watch_hint(int error) {
    return error == EMFILE   ? "see fs.inotify.max_user_instances and ulimit -n"
           : error == ENOSPC ? "see fs.inotify.max_user_watches"
                             : "";
}

}  // namespace strata::ipc::os
