// SPDX-License-Identifier: Apache-2.0
// What is left of stores when a process died while it created, restored or removed them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "strata/store.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// A store that was being created (or removed) when its process ended, `.NAME.new-PID-SALT`, or
/// restored from a backup, `.strata-new-NAME-NUMBER`.
struct Leftover {
    std::filesystem::path path{};
    std::string store{};           ///< the name that it was to get
    std::int64_t creator_pid = 0;  ///< in its creator's pid namespace; 0: not said (a restore)
    std::uint64_t allocated_bytes = 0;
    std::optional<bool>
        in_use{};  ///< its creator still works on it; nullopt: not permitted to know
};

/// Temporary stores under `base`, sorted by path. Throws permission_denied, system.
[[nodiscard]] std::vector<Leftover> leftovers(
    const std::filesystem::path& base = default_base_path());

/// Removes one of them. Throws producer_active if its creator is alive, invalid_argument if the
/// last component is no such name, store_not_found, permission_denied, system.
void remove_leftover(const std::filesystem::path& path);

}  // namespace strata::inline STRATA_ABI_NAMESPACE
