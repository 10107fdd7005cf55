// SPDX-License-Identifier: Apache-2.0
// The earlier backups of a directory, as the next one builds on them: of each dimension it holds
// everything, what differs from the newest backup that has it, or nothing.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "strata/inspect.hpp"
#include "strata/snapshot.hpp"
#include "volume/backup_directory.hpp"
#include "volume/backup_manifest.hpp"

namespace strata::volume_impl {

class BackupLineage {
public:
    /// `directory` outlives it. `full`: the next backup builds on none. Throws what
    /// BackupDirectory::manifest throws; invalid_argument: those are backups of another store.
    BackupLineage(const BackupDirectory& directory, const StoreInfo& store, bool full,
                  std::string_view operation);

    /// The one that the next is compared with; null: everything is copied whole.
    const BackupManifest* newest() const noexcept { return newest_; }
    /// What the next one is to hold: `dimensions`, ascending, of a snapshot of the store. Whether
    /// changes are less than the whole, or none at all, is not known yet.
    BackupManifest next(const StoreInfo& store, const Snapshot& snapshot,
                        const std::vector<DimensionInfo>& dimensions) const;
    /// The generation of the newest backup that has the dimension; 0: none has.
    Generation backed_up(Dimension dimension) const { return base_of(dimension).generation; }
    /// Whether a manifest of `next` says the same as the newest backup.
    bool has_all_of(const BackupManifest& next) const;
    /// The backups that its dimensions build on, with the checksums of their manifests.
    std::vector<BackupLink> links_of(const BackupManifest& next) const;

private:
    struct Base {
        std::uint64_t number = 0;
        const BackedDimension* entry = nullptr;
        Generation generation = 0;  // of which it is known to be the content
    };
    Base base_of(Dimension dimension) const;

    const BackupDirectory& directory_;
    const BackupManifest* newest_ = nullptr;
};

}  // namespace strata::volume_impl
