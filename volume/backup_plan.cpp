// SPDX-License-Identifier: Apache-2.0
#include "volume/backup_plan.hpp"

#include <algorithm>
#include <utility>

#include "ipc/failure.hpp"
#include "strata/read_guard.hpp"
#include "volume/backed_layers.hpp"

namespace strata::volume_impl {

namespace {

std::vector<DimensionInfo> sorted_dimensions(const Snapshot& snapshot,
                                             const std::vector<Dimension>& dimensions,
                                             std::string_view operation) {
    const ReadGuard guard;
    auto chosen = chosen_dimensions(snapshot, dimensions, operation);
    guard.check(operation);
    std::ranges::sort(chosen, {}, &DimensionInfo::dimension);
    return chosen;
}

Snapshot generation_of(Consumer& consumer, Generation generation) {
    try {
        return consumer.snapshot(generation);
    } catch (const Error& error) {
        if (error.code() == Errc::generation_not_retained) {
            return {};
        }
        throw;
    }
}

}  // namespace

BackupPlan::Source::Source(Consumer& consumer, std::string_view operation)
    : store(inspect(consumer.name(), consumer.path().parent_path())),
      snapshot(consumer.snapshot()) {
    if (consumer.store_replaced()) {  // else what was inspected is what is attached
        ipc::fail(Errc::store_replaced, operation, consumer.path().string(),
                  "is not the store any more that was attached", "Consumer::reattach");
    }
}

BackupPlan::BackupPlan(Consumer& consumer, const BackupDirectory& earlier,
                       const std::vector<Dimension>& dimensions, bool full,
                       std::string_view operation)
    : earlier_(earlier),
      operation_(operation),
      source_(consumer, operation),
      dimensions_(sorted_dimensions(source_.snapshot, dimensions, operation)),
      lineage_(earlier, source_.store, full, operation) {
    if (lineage_.newest() != nullptr) {
        retained_ = generation_of(consumer, lineage_.newest()->generation);
        before_ = retained_.dimensions();
    }
    manifest_ = lineage_.next(source_.store, source_.snapshot, dimensions_);
}

std::vector<BackedDimension*> BackupPlan::changed() {
    std::vector<BackedDimension*> changed;
    for (BackedDimension& entry : manifest_.dimensions) {
        if (entry.kind != BackupKind::same) {
            changed.push_back(&entry);
            if (entry.kind == BackupKind::whole) {
                counters_.layers_total += entry.layers;
            }
        }
    }
    return changed;
}

void BackupPlan::each_layer(BackedDimension& entry, const std::atomic<bool>& stop,
                            const std::function<void(const Layer&)>& put) {
    const ReadGuard guard;
    const auto put_all = [&](const auto& layers) {
        for (const Layer& layer : layers) {
            if (stop.load(std::memory_order_relaxed)) {
                return;
            }
            check_layer(layer, operation_);
            put(layer);
            counters_.layers.fetch_add(1, std::memory_order_relaxed);
            counters_.bytes.fetch_add(layer.size(), std::memory_order_relaxed);
        }
    };
    try {
        const std::vector<Layer> differing =
            entry.kind == BackupKind::changes ? settled(entry) : std::vector<Layer>();
        guard.check(operation_);
        if (entry.kind == BackupKind::whole) {
            put_all(source_.snapshot.in(entry.dimension));
        } else {
            put_all(differing);
        }
    } catch (const Error&) {
        guard.check(operation_);  // a file that was cut short is the reason that counts
        throw;
    }
    guard.check(operation_);
}

std::vector<Layer> BackupPlan::settled(BackedDimension& entry) {
    DimensionDifference difference = difference_to_base(entry);
    if (difference.put.empty() && difference.removed.empty()) {
        entry.kind = BackupKind::same;
        return {};
    }
    if (difference.put.size() >= entry.layers) {
        entry.kind = BackupKind::whole;
        entry.base = 0;
        counters_.layers_total.fetch_add(entry.layers, std::memory_order_relaxed);
        return {};
    }
    counters_.layers_total.fetch_add(difference.put.size(), std::memory_order_relaxed);
    entry.removed = std::move(difference.removed);
    return std::move(difference.put);
}

DimensionDifference BackupPlan::difference_to_base(const BackedDimension& entry) const {
    const BackupManifest& base = earlier_.changes(entry.base);
    const BackedDimension* const backed = base.find(entry.dimension);
    if (backed == nullptr) {
        ipc::bug("a dimension builds on a backup that does not have it");
    }
    const auto was =
        std::ranges::lower_bound(before_, entry.dimension, {}, &DimensionInfo::dimension);
    return was != before_.end() && was->dimension == entry.dimension &&
                   was->digest == backed->digest && was->layers == backed->layers &&
                   was->generation <= lineage_.backed_up(entry.dimension)
               ? difference(retained_, source_.snapshot, entry.dimension)
               : difference(BackedLayers(earlier_, base, *backed, operation_),
                            source_.snapshot.in(entry.dimension));
}

BackupReport BackupPlan::report() const {
    BackupReport report{.number = manifest_.number,
                        .made = true,
                        .generation = manifest_.generation,
                        .dimensions = manifest_.dimensions.size(),
                        .layers = counters_.layers.load(),
                        .content_bytes = counters_.bytes.load(),
                        .region_bytes = counters_.region_bytes.load()};
    for (const BackedDimension& entry : manifest_.dimensions) {
        report.written += entry.kind != BackupKind::same ? 1 : 0;
        report.removed += entry.removed.size();
    }
    return report;
}

BackupReport BackupPlan::report_of_newest() const {
    BackupReport newest = report();
    newest.number = lineage_.newest()->number;
    newest.made = false;
    return newest;
}

}  // namespace strata::volume_impl
