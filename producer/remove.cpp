// SPDX-License-Identifier: Apache-2.0
#include "producer/remove.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "ipc/atomic_word.hpp"
#include "ipc/control_file.hpp"
#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "producer/held_store.hpp"
#include "strata/store.hpp"

namespace strata {

namespace producer_impl {

namespace {

bool is_ours(const std::string& file) {
    std::uint64_t serial = 0;
    return file == ipc::control_file_name || file == ipc::lock_file_name ||
           file == ipc::new_lock_file_name || ipc::parse_region_file_name(file, serial);
}

}  // namespace

std::string staging_name(std::string_view store) {
    std::uint64_t salt = 0;
    ipc::os::random_bytes(&salt, sizeof(salt));
    return ipc::staging_prefix(store) + std::to_string(ipc::os::process_id()) + "-" +
           std::to_string(salt);
}

// Removes a store's directory and what belongs into it. Files that are not ours keep it in place.
// Others may be removing it at the same time: what they have removed is as good as removed here.
int remove_store_directory(int base, const std::string& name) {
    const auto unless_gone = [](int error) { return error == ENOENT ? 0 : error; };
    auto directory = ipc::os::open_directory_at(base, name);
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
    return unless_gone(ipc::os::remove_directory(base, name));
}

bool holds_foreign_files(int directory) {
    const auto files = ipc::os::list_directory(directory);
    return !std::all_of(files.value.begin(), files.value.end(), is_ours);
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

void remove_store(std::string_view name, const std::filesystem::path& base_path) {
    const std::string operation = ipc::operation_on("remove", name);
    const producer_impl::HeldStore held =
        producer_impl::hold_store(base_path, name, producer_impl::Ruins::accept, operation);
    const ipc::StoreDirectory& store = held.directory;
    const int directory = store.directory.get();
    const int base = store.base.get();
    if (!held.lock && !ipc::os::status_at(directory, ipc::control_file_name)) {
        ipc::fail(Errc::not_a_store, operation, store.path, "the directory is no store",
                  "remove it by hand if it is not needed");
    }
    if (producer_impl::holds_foreign_files(directory)) {
        ipc::fail_errno(ENOTEMPTY, operation, store.path,
                        "the directory holds files that are not the store's",
                        "take them away first; nothing was removed");
    }
    // Hidden first: whoever looks finds a whole store or none, and what a death leaves behind is
    // swept by the next creator, as its own kind is.
    const std::string hidden = producer_impl::staging_name(store.name);
    if (const int error =
            ipc::os::rename_at(base, store.name, hidden, ipc::os::RenameMode::no_replace)) {
        ipc::fail_errno(error, operation, store.path, "cannot take its name away");
    }
    STRATA_CRASH_POINT("remove.hidden");
    if (const int error = producer_impl::remove_and_wake(store, base, hidden)) {
        ipc::fail_errno(error, operation, store.path, "cannot remove all of it",
                        "what is left is called " + hidden);
    }
}

}  // namespace strata
