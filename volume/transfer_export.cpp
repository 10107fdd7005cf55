// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <optional>
#include <utility>

#include "ipc/files/audited.hpp"
#include "strata/error.hpp"
#include "strata/read_guard.hpp"
#include "strata/volume_transfer.hpp"
#include "volume/archive_files.hpp"
#include "volume/parallel.hpp"
#include "volume/snapshot_layers.hpp"
#include "volume/told.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "export";

/// When the archive that is replaced was made; empty if there is none that can be read.
std::string creation_time(const std::filesystem::path& archive) {
    try {
        return impl::ArchiveFiles(archive).read_index().created_at;
    } catch (const Error&) {  // damaged or not there: the new one begins now
        return {};
    }
}

using Writers = std::vector<std::optional<ArchiveWriter>>;

/// Some dimensions: all are written before one takes its place.
void export_group(const Snapshot& snapshot, const Volume& volume, const TransferOptions& options,
                  std::span<const DimensionInfo> dimensions, impl::TransferCounters& counters,
                  const std::function<void()>& tick) {
    Writers writers(dimensions.size());
    const auto write = [&](std::size_t i, const std::atomic<bool>& stop) {
        const DimensionInfo& info = dimensions[i];
        const std::string created_at = creation_time(volume.archive_path(info.dimension));
        writers[i].emplace(volume.archives_path(), info.dimension,
                           ArchiveWriterOptions{.dimension_name = info.name,
                                                .max_bytes = volume.options().max_size,
                                                .created_at = created_at,
                                                .live_generation = snapshot.generation()});
        impl::write_layers(*writers[i], snapshot.in(info.dimension), counters, stop, operation);
        writers[i]->complete();
        counters.region_bytes.fetch_add(writers[i]->size(), std::memory_order_relaxed);
    };
    impl::for_each_parallel(writers.size(), options.threads, write, tick);
    // In parallel because it also removes what was replaced, which takes as long as the sizes say.
    // Nobody can cancel it any more.
    const auto publish = [&](std::size_t i, const std::atomic<bool>&) { writers[i]->publish(); };
    impl::for_each_parallel(writers.size(), options.threads, publish, nullptr);
}

TransferReport export_all(const Snapshot& snapshot, const Volume& volume,
                          const TransferOptions& options) {
    const ReadGuard guard;
    const std::vector<DimensionInfo> dimensions =
        impl::chosen_dimensions(snapshot, options.dimensions, operation);
    guard.check(operation);
    impl::TransferCounters counters;
    for (const DimensionInfo& info : dimensions) {
        counters.layers_total += info.layers;
    }
    const auto tick = [&] {
        if (options.progress) {
            options.progress(counters.progress());
        }
    };
    std::span<const DimensionInfo> rest(dimensions);
    while (!rest.empty()) {
        const auto group = rest.first(std::min(rest.size(), impl::archives_at_once));
        export_group(snapshot, volume, options, group, counters, tick);
        rest = rest.subspan(group.size());
    }
    return {.generation = snapshot.generation(),
            .dimensions = dimensions.size(),
            .layers = counters.layers.load(),
            .content_bytes = counters.bytes.load(),
            .region_bytes = counters.region_bytes.load()};
}

}  // namespace

TransferReport export_dimensions(const Snapshot& snapshot, const Volume& volume,
                                 const TransferOptions& options) {
    const AuditEntry entry{.operation = "export",
                           .directory = volume.path().native(),
                           .generation = snapshot.generation(),
                           .dimensions = options.dimensions.size()};
    return ipc::audited(volume.options().audit, entry, [&](AuditEntry& told) {
        return impl::told_of(told, export_all(snapshot, volume, options));
    });
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
