// SPDX-License-Identifier: Apache-2.0
#include "producer/remove.hpp"

#include <cerrno>
#include <optional>

#include "ipc/atomic_word.hpp"
#include "ipc/control_file.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "producer/producer_lock.hpp"
#include "strata/store.hpp"

namespace strata {

namespace producer_impl {

// Removes a store's directory and what belongs into it. Files that are not ours keep it in place.
int remove_store_directory(int base, const std::string& name) {
    auto directory = ipc::os::open_directory_at(base, name);
    if (!directory) {
        return directory.error;
    }
    const auto files = ipc::os::list_directory(directory.value.get());
    if (!files) {
        return files.error;
    }
    // The control file goes last: as long as it stands, the store can still be told from a ruin.
    for (const bool control : {false, true}) {
        for (const std::string& file : files.value) {
            std::uint64_t serial = 0;
            const bool ours = file == ipc::control_file_name || file == ipc::lock_file_name ||
                              ipc::parse_region_file_name(file, serial);
            if (ours && (file == ipc::control_file_name) == control) {
                STRATA_CRASH_POINT("remove.before-file");
                if (const int error = ipc::os::remove_file(directory.value.get(), file)) {
                    return error;
                }
                STRATA_CRASH_POINT("remove.file-gone");
            }
        }
    }
    return ipc::os::remove_directory(base, name);
}

int remove_and_wake(const ipc::StoreDirectory& store, int base, const std::string& name) {
    std::optional<ipc::ControlFile> control;
    try {  // before the file is gone; the mapping outlives it
        control.emplace(store, ipc::Access::read_only, ipc::Trust{.any_owner = true, .owner = 0},
                        "remove");
    } catch (const Error&) {
        // A damaged store has nobody who sleeps on it.
    }
    const int error = remove_store_directory(base, name);
    if (control) {
        STRATA_CRASH_POINT("remove.directory-gone");
        ipc::os::futex_wake(ipc::futex_word(control->cells().generation));
    }
    return error;
}

}  // namespace producer_impl

void remove_store(std::string_view name, const std::filesystem::path& base) {
    using producer_impl::ProducerLock;
    const std::string operation = ipc::operation_on("remove", name);
    const ipc::StoreDirectory store = ipc::open_store_directory(
        base, name, {.any_owner = false, .owner = ipc::os::effective_user()}, operation);
    const int directory = store.directory.get();
    std::optional<ProducerLock> lock;  // half a store has none
    if (ipc::os::status_at(directory, ipc::lock_file_name)) {
        lock.emplace(ProducerLock::take(store, operation));
    } else if (!ipc::os::status_at(directory, ipc::control_file_name)) {
        ipc::fail(Errc::not_a_store, operation, store.path, "the directory is no store",
                  "remove it by hand if it is not needed");
    }
    if (const int error = producer_impl::remove_and_wake(store, store.base.get(), store.name)) {
        ipc::fail_errno(
            error, operation, store.path, "cannot remove all of it",
            error == ENOTEMPTY ? "the directory holds files that are not the store's" : "");
    }
}

}  // namespace strata
