// SPDX-License-Identifier: Apache-2.0
#include "volume/backup_lineage.hpp"

#include <algorithm>
#include <chrono>

#include "ipc/failure.hpp"
#include "strata/text_values.hpp"
#include "volume/archive_index.hpp"
#include "volume/region_settings.hpp"

namespace strata::volume_impl {

namespace {

// Of a store's directory: those that its files have as well.
constexpr std::uint32_t file_mode_bits = 0666;

}  // namespace

BackupLineage::BackupLineage(const BackupDirectory& directory, const StoreInfo& store, bool full,
                             std::string_view operation)
    : directory_(directory) {
    if (directory.numbers().empty() || full) {
        return;
    }
    newest_ = &directory.manifest(directory.numbers().back());
    if (newest_->store_id != store.id) {
        ipc::fail(Errc::invalid_argument, operation, directory.path().string(),
                  "has backups of another store: the newest is of " + ipc::quoted(newest_->store) +
                      ", " + newest_->store_id + ", this one is " + store.id,
                  "use another directory, or begin anew here (BackupOptions::full, --full)");
    }
}

// The newest backup that holds a dimension, past those that only say that it is the same.
BackupLineage::Base BackupLineage::base_of(Dimension dimension) const {
    const auto& numbers = directory_.numbers();
    for (auto at = numbers.rbegin(); newest_ != nullptr && at != numbers.rend(); ++at) {
        const BackupManifest* manifest = &directory_.manifest(*at);
        if (manifest->store_id != newest_->store_id) {
            break;
        }
        if (const BackedDimension* entry = manifest->find(dimension)) {
            const Generation generation = manifest->generation;
            while (entry->kind == BackupKind::same) {
                manifest = &directory_.base(*manifest, entry->base);
                entry = manifest->find(dimension);
                if (entry == nullptr) {
                    break;
                }
            }
            return {manifest->number, entry, generation};
        }
        if (manifest->complete) {
            break;
        }
    }
    return {};
}

BackupManifest BackupLineage::next(const StoreInfo& store, const Snapshot& snapshot,
                                   const std::vector<DimensionInfo>& dimensions) const {
    const auto& numbers = directory_.numbers();
    BackupManifest next{.number = numbers.empty() ? 1 : numbers.back() + 1,
                        .store = store.name,
                        .store_id = store.id,
                        .generation = snapshot.generation(),
                        .digest = snapshot.digest(),
                        .published_at = rfc3339(snapshot.published_at()),
                        .made_at = rfc3339(std::chrono::system_clock::now()),
                        .memory_limit = store.memory_limit,
                        .region_max_bytes = store.region_max_bytes,
                        .mode = store.mode & file_mode_bits,
                        .complete = dimensions.size() == snapshot.dimension_count()};
    RegionSettings regions(store.path);
    for (const DimensionInfo& info : dimensions) {
        BackedDimension entry{.dimension = info.dimension,
                              .name = info.name,
                              .layers = info.layers,
                              .digest = info.digest,
                              .own_region = regions.of(info.region)};
        const Base base = base_of(info.dimension);
        if (base.entry != nullptr) {
            // Of small layers a digest has 24 bits: too few to say that nothing was changed.
            const bool same = info.generation <= base.generation &&
                              base.entry->digest == info.digest &&
                              base.entry->layers == info.layers;
            entry.kind = same ? BackupKind::same : BackupKind::changes;
            entry.base = base.number;
        }
        next.dimensions.push_back(std::move(entry));
    }
    return next;
}

bool BackupLineage::has_all_of(const BackupManifest& next) const {
    return newest_ != nullptr && newest_->generation == next.generation &&
           newest_->complete == next.complete &&
           std::ranges::equal(
               newest_->dimensions, next.dimensions, [](const auto& old, const auto& now) {
                   return old.dimension == now.dimension && now.kind == BackupKind::same;
               });
}

std::vector<BackupLink> BackupLineage::links_of(const BackupManifest& next) const {
    std::vector<std::uint64_t> bases;
    for (const BackedDimension& entry : next.dimensions) {
        if (entry.kind != BackupKind::whole) {
            bases.push_back(entry.base);
        }
    }
    std::ranges::sort(bases);
    bases.erase(std::unique(bases.begin(), bases.end()), bases.end());
    std::vector<BackupLink> links;
    links.reserve(bases.size());
    for (const std::uint64_t number : bases) {
        links.push_back({number, directory_.checksum(number)});
    }
    return links;
}

}  // namespace strata::volume_impl
