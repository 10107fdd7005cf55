// SPDX-License-Identifier: Apache-2.0
// A store that nobody else can remove, replace or produce into.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "ipc/files/store_files.hpp"
#include "producer/lifecycle/producer_lock.hpp"

namespace strata::producer_impl {

struct LockedStore {
    ipc::StoreDirectory directory;
    std::optional<ProducerLock> lock;  // none: a ruin without a lock file
};

enum class Ruins { refuse, accept };

/// Opens the store that bears the name and takes its lock. What is removed or replaced between the
/// two is released, and the store that now has the name is taken instead: renaming a store's
/// directory takes its lock, so a name that still leads to it when the lock is held keeps doing so.
/// Throws store_not_found, producer_active, permission_denied, not_trusted, and not_a_store for a
/// ruin that is refused.
LockedStore lock_store(const std::filesystem::path& base, std::string_view name, Ruins ruins,
                       std::string_view operation);

}  // namespace strata::producer_impl
