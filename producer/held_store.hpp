// SPDX-License-Identifier: Apache-2.0
// A store that nobody else can remove, replace or produce into.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "ipc/store_files.hpp"
#include "producer/producer_lock.hpp"

namespace strata::producer_impl {

struct HeldStore {
    ipc::StoreDirectory directory;
    std::optional<ProducerLock> lock;  // none: a ruin without a lock file
};

enum class Ruins { refuse, accept };

/// Opens the store that bears the name and takes its lock. What is removed or replaced between the
/// two is let go, and what bears the name now is taken instead: whoever renames a store's directory
/// holds its lock, so a name that still leads to it when the lock is held goes on doing so.
/// Throws store_not_found, producer_active, permission_denied, not_trusted, and not_a_store for a
/// ruin that is refused.
HeldStore hold_store(const std::filesystem::path& base, std::string_view name, Ruins ruins,
                     std::string_view operation);

}  // namespace strata::producer_impl
