// SPDX-License-Identifier: Apache-2.0
#include "producer/lifecycle/remove.hpp"

#include <algorithm>
#include <cerrno>
#include <new>
#include <optional>

#include "ipc/crash_point.hpp"
#include "ipc/files/control_file.hpp"
#include "ipc/files/life_file.hpp"
#include "ipc/format/atomic_word.hpp"
#include "strata/error.hpp"

namespace strata::producer_impl {

namespace {

bool is_ours(const std::string& file) {
    std::uint64_t number = 0;
    return file == ipc::control_file_name || file == ipc::lock_file_name ||
           file == ipc::new_lock_file_name || file == ipc::slots_file_name ||
           file == ipc::bookmarks_file_name || file == ipc::new_bookmarks_file_name ||
           ipc::parse_region_file_name(file, number) || ipc::parse_life_file_name(file, number);
}

}  // namespace

std::string staging_name(std::string_view store) {
    std::uint64_t salt = 0;
    if (ipc::os::random_bytes(&salt, sizeof(salt)) != 0) {
        // It only makes collisions rare: a name that is taken is refused.
        salt = static_cast<std::uint64_t>(ipc::os::realtime_ns());
    }
    return ipc::staging_prefix(store) + std::to_string(ipc::os::process_id()) + "-" +
           std::to_string(salt);
}

// Removes a store's directory and what belongs into it. Files that are not ours keep it in place.
// Others may be removing it at the same time: what they have removed is as good as removed here.
int remove_store_directory(const ipc::FileDescriptor& base, const std::string& name) {
    const auto unless_gone = [](int error) { return error == ENOENT ? 0 : error; };
    auto directory = ipc::os::open_directory_at(base.get(), name);
    if (!directory) {
        return unless_gone(directory.error);
    }
    const auto files = ipc::os::list_directory(directory.value.get());
    if (!files) {
        return files.error;
    }
    // The control file goes last: as long as it stands, the store can still be told from a ruin.
    for (const bool control : {false, true}) {
        for (const std::string& file : files.value) {
            if (is_ours(file) && (file == ipc::control_file_name) == control) {
                STRATA_CRASH_POINT("remove.before-file");
                if (const int error =
                        unless_gone(ipc::os::remove_file(directory.value.get(), file))) {
                    return error;
                }
                STRATA_CRASH_POINT("remove.file-gone");
            }
        }
    }
    return unless_gone(ipc::os::remove_directory(base.get(), name));
}

ipc::os::Result<bool> holds_foreign_files(const ipc::FileDescriptor& directory) {
    const auto files = ipc::os::list_directory(directory.get());
    return {!std::all_of(files.value.begin(), files.value.end(), is_ours), files.error};
}

int remove_and_wake(const ipc::StoreDirectory& store, const ipc::FileDescriptor& base,
                    const std::string& name) {
    std::optional<ipc::ControlFile> control;
    try {  // before the file is gone; the mapping outlives it
        control.emplace(store, ipc::Trust{.any_owner = true, .owner = 0}, "remove");
    } catch (const Error&) {
        // A damaged store has nobody who sleeps on it.
    } catch (const std::bad_alloc&) {
        // Who sleeps on it finds out when they look again.
    }
    int error = ENOMEM;
    try {
        error = remove_store_directory(base, name);
    } catch (const std::bad_alloc&) {
        // It is hidden: the next creator sweeps it.
    }
    if (control) {
        STRATA_CRASH_POINT("remove.directory-gone");
        ipc::os::futex_wake(ipc::futex_word(control->cells().generation));
    }
    return error;
}

}  // namespace strata::producer_impl
