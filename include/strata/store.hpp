// SPDX-License-Identifier: Apache-2.0
// Where stores live, and the few operations on a store as a whole.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// Where stores are unless options say otherwise: the environment's STRATA_BASE_PATH if that is set
/// and not empty (read once, at the first call; not in programs that run with raised privileges),
/// else `/dev/shm/strata`, which is shared memory. Any directory will do; on a disk the store is a
/// volume.
[[nodiscard]] const std::filesystem::path& default_base_path();

/// Who may open a file that a producer makes. Its owner may always read and write it; no one else
/// may ever write. Set as it says here, whatever the umask. (To change it later: chmod and chgrp; a
/// file that takes the place of another one keeps its mode and group.)
struct FileAccess {
    std::uint32_t mode = 0644;             ///< 0644 everybody, 0640 the group, 0600 the owner alone
    std::optional<std::uint32_t> group{};  ///< one of this user's groups; none: the usual one
};

/// Throws Error{invalid_name} unless `name` can name a store: 1 to 200 bytes, no '/', no control
/// characters, not starting with '.'.
void check_store_name(std::string_view name);

/// Removes a store for good: its name disappears atomically, then its files are deleted. Attached
/// consumers are notified (WaitResult::store_replaced) and keep what they have mapped: the
/// dimensions that they have accessed; the others are lost, for older snapshots too. Throws
/// producer_active if a producer holds it, store_not_found if there is none, system if there are
/// other files in its directory (nothing is removed then), permission_denied.
void remove_store(std::string_view name, const std::filesystem::path& base = default_base_path());

/// Gives the store `from`/`name`, whose producer is gone, the name `to`/`name` on the same file
/// system: atomically, with no state in between. With `replace` a store that has that name already,
/// and no producer, disappears in the same step; its consumers are notified as by remove_store.
/// Throws store_not_found, store_exists, producer_active (either store), permission_denied, system
/// (another file system; files in the way that are no store's): both are as they were then.
void move_store(std::string_view name, const std::filesystem::path& from,
                const std::filesystem::path& to, bool replace = false);

}  // namespace strata::inline STRATA_ABI_NAMESPACE
