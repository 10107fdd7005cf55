// SPDX-License-Identifier: Apache-2.0
// Where stores live, and the few operations on a store as a whole.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/types.hpp"

namespace strata {

/// `/dev/shm/strata`: shared memory. Any directory will do; on a disk the store is a volume.
const std::filesystem::path& default_base_path();

/// Who may open a file that a producer makes. Its owner may always read and write it; nobody else
/// may ever write. Set as it says here, whatever the umask. (To change it later: chmod and chgrp;
/// a file that takes the place of another one keeps its mode and group.)
struct FileAccess {
    std::uint32_t mode = 0644;             ///< 0644 everybody, 0640 the group, 0600 the owner alone
    std::optional<std::uint32_t> group{};  ///< one of this user's groups; none: the usual one
};

/// Throws Error{invalid_name} unless `name` can name a store: 1 to 200 bytes, no '/', no control
/// characters, not starting with '.'.
void check_store_name(std::string_view name);

/// Removes a store for good: its name is gone from one moment to the next, then its files are.
/// Attached consumers are told (WaitResult::store_replaced) and keep what they have mapped: the
/// dimensions that they have looked into; the others are gone, from older snapshots too. Throws
/// producer_active if a producer holds it, store_not_found if there is none, system if there are
/// other files in its directory (nothing is removed then), permission_denied.
void remove_store(std::string_view name, const std::filesystem::path& base = default_base_path());

/// A process that holds a pin: it may still read what was current in epoch `epoch`.
struct ReaderInfo {
    std::int64_t pid = 0;     ///< as seen in the reader's own pid namespace
    std::uint64_t epoch = 0;  ///< reclamation epoch that it pins
};

/// Who holds snapshots (or a cached pin) of the store right now, from the kernel's lock table
/// alone. Read permission on the store is enough. O(readers) system calls.
std::vector<ReaderInfo> readers(std::string_view name,
                                const std::filesystem::path& base = default_base_path());

}  // namespace strata
