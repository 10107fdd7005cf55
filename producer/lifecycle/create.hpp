// SPDX-License-Identifier: Apache-2.0
// Making a store, complete or not at all.
#pragma once

#include <string_view>

#include "ipc/files/life_file.hpp"
#include "ipc/files/store_files.hpp"
#include "producer/lifecycle/producer_lock.hpp"
#include "strata/producer.hpp"

namespace strata::producer_impl {

struct CreatedStore {
    ipc::StoreDirectory directory;
    ProducerLock lock;
    ipc::LifeFile life;  // the store is alive when it appears
};

/// Builds an empty store under a hidden name and renames it into place. Throws store_exists,
/// producer_active (replace), invalid_name, invalid_argument, permission_denied, no_space, system.
CreatedStore create_store(std::string_view name, const ProducerOptions& options);

/// Throws Error{invalid_argument} if the options can never work.
void check_options(const ProducerOptions& options, std::string_view operation);
void check_access(const FileAccess& access, std::string_view operation);

}  // namespace strata::producer_impl
