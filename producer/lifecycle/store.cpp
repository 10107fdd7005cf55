// SPDX-License-Identifier: Apache-2.0
// Operations on a store as a whole that need its lock.
#include "strata/store.hpp"

#include <cerrno>

#include "ipc/crash_point.hpp"
#include "ipc/failure.hpp"
#include "producer/lifecycle/locked_store.hpp"
#include "producer/lifecycle/remove.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using ipc::os::RenameMode;
using producer_impl::LockedStore;
using producer_impl::Ruins;

void remove_store(std::string_view name, const std::filesystem::path& base_path) {
    const std::string operation = ipc::operation_on("remove", name);
    const LockedStore held = producer_impl::lock_store(base_path, name, Ruins::accept, operation);
    const ipc::StoreDirectory& store = held.directory;
    if (!held.lock) {
        const auto control = ipc::os::status_at(store.directory.get(), ipc::control_file_name);
        if (control.error == ENOENT) {
            ipc::fail(Errc::not_a_store, operation, store.path, "the directory is no store",
                      "remove it by hand if it is not needed");
        }
        if (!control) {
            ipc::fail_errno(control.error, operation, store.path, "cannot look for its files");
        }
    }
    const auto foreign = producer_impl::holds_foreign_files(store.directory);
    if (!foreign) {
        ipc::fail_errno(foreign.error, operation, store.path, "cannot list its files");
    }
    if (foreign.value) {
        ipc::fail_errno(ENOTEMPTY, operation, store.path,
                        "the directory holds files that are not the store's",
                        "take them away first; nothing was removed");
    }
    // Hidden first: others find a whole store or none, and what a crash leaves behind is swept by
    // the next creator, as its own kind is.
    const std::string hidden = producer_impl::staging_name(store.name);
    if (const int error =
            ipc::os::rename_at(store.base.get(), store.name, hidden, RenameMode::no_replace)) {
        ipc::fail_errno(error, operation, store.path, "cannot take its name away");
    }
    STRATA_CRASH_POINT("remove.hidden");
    if (const int error = producer_impl::remove_and_wake(store, store.base, hidden)) {
        ipc::fail_errno(error, operation, store.path, "cannot remove all of it",
                        "what is left is called " + hidden);
    }
}

namespace {

// The old store's name goes to the new one; the old one is removed, and who sleeps on it is told.
int exchange(const LockedStore& moving, const std::string& from, const std::filesystem::path& to,
             std::string_view operation) {
    // Its producer must be gone, and stay so until the new one stands in its place.
    const LockedStore old =
        producer_impl::lock_store(to, moving.directory.name, Ruins::accept, operation);
    const auto foreign = producer_impl::holds_foreign_files(old.directory.directory);
    if (foreign.value || !foreign) {
        ipc::fail_errno(foreign ? ENOTEMPTY : foreign.error, operation, old.directory.path,
                        "the directory holds files that are not the store's",
                        "take them away first; nothing was changed");
    }
    const int error = ipc::os::rename_at(old.directory.base.get(), from, moving.directory.name,
                                         RenameMode::exchange);
    if (error == 0) {
        // It bears the moved one's old name. What cannot be removed is the caller's to look after.
        producer_impl::remove_and_wake(old.directory, moving.directory.base, moving.directory.name);
    }
    return error;
}

}  // namespace

void move_store(std::string_view name, const std::filesystem::path& from,
                const std::filesystem::path& to, bool replace) {
    const std::string operation = ipc::operation_on("move", name);
    const std::string path = (to / name).string();
    const LockedStore moving = producer_impl::lock_store(from, name, Ruins::refuse, operation);
    const auto target = ipc::os::open_directory(to.string());
    if (!target) {
        ipc::fail_errno(target.error, operation, to.string(), "cannot open the base directory");
    }
    // Absolute: both names count from one directory.
    const std::string source = (std::filesystem::absolute(from) / name).string();
    const auto move = [&] {
        return ipc::os::rename_at(target.value.get(), source, moving.directory.name,
                                  RenameMode::no_replace);
    };
    int error = move();
    while (error == EEXIST && replace) {
        try {
            error = exchange(moving, source, to, operation);
        } catch (const Error& gone) {  // removed meanwhile
            if (gone.code() != Errc::store_not_found) {
                throw;
            }
            error = move();
        }
    }
    if (error == EEXIST) {
        ipc::fail(Errc::store_exists, operation, path, "there is such a store already",
                  "replace it, or choose another name");
    }
    if (error != 0) {
        ipc::fail_errno(error, operation, path, "cannot be put in its place",
                        error == EXDEV ? "both directories must be on one file system" : "");
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
