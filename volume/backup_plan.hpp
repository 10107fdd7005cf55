// SPDX-License-Identifier: Apache-2.0
// What the next backup of a store is to hold: its manifest, as far as it is known before anything
// is read, and the layers of each dimension that go into its archive. Where these are written is
// not its business.
#pragma once

#include <atomic>
#include <functional>
#include <string_view>
#include <vector>

#include "strata/consumer.hpp"
#include "strata/inspect.hpp"
#include "strata/volume_backup.hpp"
#include "volume/archive_files.hpp"
#include "volume/backup_directory.hpp"
#include "volume/backup_lineage.hpp"
#include "volume/dimension_difference.hpp"
#include "volume/snapshot_layers.hpp"

namespace strata::volume_impl {

/// Thread safety: archives of different dimensions in different threads.
class BackupPlan {
public:
    /// Pins the newest generation. `earlier` outlives it: what has changed since its newest backup,
    /// or, if it has none or with `full`, everything. No `dimensions`: all. Throws what
    /// backup_store throws.
    BackupPlan(Consumer& consumer, const BackupDirectory& earlier,
               const std::vector<Dimension>& dimensions, bool full, std::string_view operation);

    BackupManifest& manifest() noexcept { return manifest_; }
    TransferCounters& counters() noexcept { return counters_; }
    /// Whether the newest backup says the same already.
    bool has_nothing_new() const { return lineage_.has_all_of(manifest_); }
    /// Those that may get an archive. Counts the layers that are known.
    std::vector<BackedDimension*> changed();
    /// Calls `put` for each layer of an entry's archive, ascending, each compared with its
    /// checksum, until `stop`. What may be `changes` becomes `same` if nothing differs, and `whole`
    /// if that is no more work.
    void each_layer(BackedDimension& entry, const std::atomic<bool>& stop,
                    const std::function<void(const Layer&)>& put);
    /// When all entries are described: the backups that they build on.
    void link() { manifest_.builds_on = lineage_.links_of(manifest_); }
    BackupReport report() const;
    /// Of the newest backup, which has it all.
    BackupReport report_of_newest() const;

private:
    std::vector<Layer> settled(BackedDimension& entry);
    DimensionDifference difference_to_base(const BackedDimension& entry) const;

    /// The store, and the generation that is backed up.
    struct Source {
        StoreInfo store;
        Snapshot snapshot;
        Source(Consumer& consumer, std::string_view operation);
    };

    const BackupDirectory& earlier_;
    std::string_view operation_;
    Source source_;
    std::vector<DimensionInfo> dimensions_;
    BackupLineage lineage_;
    Snapshot retained_;                  // of the newest backup; empty: not retained
    std::vector<DimensionInfo> before_;  // of retained_
    BackupManifest manifest_;
    TransferCounters counters_;
};

}  // namespace strata::volume_impl
