// SPDX-License-Identifier: Apache-2.0
#include "producer/held_store.hpp"

#include <utility>

#include "ipc/failure.hpp"

namespace strata::producer_impl {

HeldStore hold_store(const std::filesystem::path& base, std::string_view name, Ruins ruins,
                     std::string_view operation) {
    const ipc::Trust own_files{.any_owner = false, .owner = ipc::os::effective_user()};
    for (;;) {
        HeldStore store{ipc::open_store_directory(base, name, own_files, operation), std::nullopt};
        const auto opened = ipc::os::status(store.directory.directory.get());
        try {
            store.lock.emplace(ProducerLock::take(store.directory, operation));
        } catch (const Error& error) {
            if (error.code() != Errc::not_a_store ||
                (ruins == Ruins::refuse && ipc::is_named(base, name, opened.value))) {
                throw;
            }
        }
        if (ipc::is_named(base, name, opened.value)) {
            return store;
        }
    }
}

}  // namespace strata::producer_impl
