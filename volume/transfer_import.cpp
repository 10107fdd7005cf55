// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ipc/files/audited.hpp"
#include "strata/core_dimensions.hpp"
#include "strata/volume_transfer.hpp"
#include "volume/archive_files.hpp"
#include "volume/archive_header.hpp"
#include "volume/failures.hpp"
#include "volume/parallel.hpp"
#include "volume/store_filler.hpp"
#include "volume/told.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "import";

impl::OpenArchive open_archive(const Volume& volume, Dimension dimension) {
    impl::OpenArchive archive = impl::OpenArchive::open(volume.archive_path(dimension));
    const ArchiveIndex& index = archive.index;
    if (index.dimension != dimension) {
        impl::fail_corrupt(operation, archive.files.path(),
                           "is the archive of dimension " + std::to_string(index.dimension),
                           "the folder must be " + archive_folder(index.dimension));
    }
    if (index.total_size > volume.options().max_size) {
        impl::fail_limit(operation, archive.files.path(),
                         "its region has " + std::to_string(index.total_size) +
                             " bytes of at most " + std::to_string(volume.options().max_size),
                         index.total_size, volume.options().max_size,
                         "MMAP_MAX_SIZE (VolumeOptions::max_size) says how large one may be");
    }
    return archive;
}

DimensionOptions dimension_options(const Volume& volume, const ArchiveIndex& index) {
    DimensionOptions options{.name = index.dimension_name};
    if (!core_dimension_name(index.dimension).empty()) {
        options.initial_bytes = impl::padded(volume.options().initial_size);
        options.max_bytes = impl::padded(volume.options().max_size);
    }
    return options;
}

TransferReport import_all(Producer& producer, const Volume& volume,
                          const TransferOptions& options) {
    std::vector<Dimension> dimensions =
        options.dimensions.empty() ? volume.dimensions() : options.dimensions;
    std::ranges::sort(dimensions);
    // (Clang 14 cannot use what std::ranges::unique returns.)
    dimensions.erase(std::unique(dimensions.begin(), dimensions.end()), dimensions.end());

    impl::StoreFiller filler(producer, operation);
    std::uint64_t region_bytes = 0;
    std::span<const Dimension> rest(dimensions);
    while (!rest.empty()) {
        const auto group = rest.first(std::min(rest.size(), impl::archives_at_once));
        std::vector<std::optional<impl::OpenArchive>> archives(group.size());
        const auto open = [&](std::size_t i, const std::atomic<bool>&) {
            archives[i].emplace(open_archive(volume, group[i]));
        };
        impl::for_each_parallel(group.size(), options.threads, open, nullptr);
        for (const auto& archive : archives) {
            const ArchiveIndex& index = archive->index;
            filler.begin_dimension(index.dimension, dimension_options(volume, index));
            for (const ArchivedLayer& layer : index.layers) {
                filler.add(*archive, layer);
            }
            region_bytes += index.total_size;
        }
        filler.fill(options);
        rest = rest.subspan(group.size());
    }
    TransferReport report = filler.publish();
    report.dimensions = dimensions.size();
    report.region_bytes = region_bytes;
    return report;
}

}  // namespace

TransferReport import_dimensions(Producer& producer, const Volume& volume,
                                 const TransferOptions& options) {
    const AuditEntry entry{.operation = "import",
                           .store = producer.path().native(),
                           .directory = volume.path().native(),
                           .dimensions = options.dimensions.size()};
    return ipc::audited(volume.options().audit, entry, [&](AuditEntry& told) {
        return impl::told_of(told, import_all(producer, volume, options));
    });
}

Generation load_dimension(Producer& producer, const Volume& volume, Dimension dimension) {
    return import_dimensions(producer, volume, {.dimensions = {dimension}}).generation;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
