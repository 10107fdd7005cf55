// SPDX-License-Identifier: Apache-2.0
#include "producer/lifecycle/locked_store.hpp"

#include <utility>

#include "ipc/failure.hpp"

namespace strata::producer_impl {

LockedStore lock_store(const std::filesystem::path& base, std::string_view name, Ruins ruins,
                       std::string_view operation) {
    const ipc::Trust own_files{.any_owner = false, .owner = ipc::os::effective_user()};
    for (;;) {
        LockedStore store{ipc::open_store_directory(base, name, own_files, operation),
                          std::nullopt};
        std::optional<Error> ruin;
        try {
            store.lock.emplace(ProducerLock::take(store.directory, operation));
        } catch (const Error& error) {
            if (error.code() != Errc::not_a_store) {
                throw;
            }
            ruin = error;
        }
        const auto named = ipc::is_named(base, name, store.directory.status);
        if (!named) {
            ipc::fail_errno(named.error, operation, store.directory.path,
                            "cannot find out whether it still has its name");
        }
        if (named.value) {
            if (ruin && ruins == Ruins::refuse) {
                throw Error(*ruin);
            }
            return store;
        }
    }
}

}  // namespace strata::producer_impl
