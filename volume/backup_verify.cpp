// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <atomic>
#include <optional>

#include "ipc/failure.hpp"
#include "strata/volume_backup.hpp"
#include "volume/backed_layers.hpp"
#include "volume/findings.hpp"
#include "volume/parallel.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace impl = volume_impl;

namespace {

constexpr std::string_view operation = "verify backups";

/// One dimension in one backup.
struct Item {
    const impl::BackupManifest* manifest;
    const impl::BackedDimension* entry;
};

std::vector<Item> items_of(const impl::BackupDirectory& directory, impl::Findings& findings,
                           const VolumeVerifyOptions& options, std::uint64_t number) {
    std::vector<Item> items;
    for (const std::uint64_t at : directory.numbers()) {
        if (number != 0 && number != at) {
            continue;
        }
        try {
            const impl::BackupManifest& manifest = directory.manifest(at);
            for (const impl::BackedDimension& entry : manifest.dimensions) {
                if (options.dimensions.empty() ||
                    std::ranges::find(options.dimensions, entry.dimension) !=
                        options.dimensions.end()) {
                    items.push_back({&manifest, &entry});
                }
            }
        } catch (const Error& error) {
            findings.add(error, {});
        }
    }
    return items;
}

void check_contents(const impl::OpenArchive& archive, impl::Findings& findings, Dimension dimension,
                    const std::atomic<bool>& stop) {
    findings.expect(archive.index.layers.size());
    for (const ArchivedLayer& layer : archive.index.layers) {
        if (stop.load(std::memory_order_relaxed)) {
            return;
        }
        findings.looked_at();
        try {
            archive.files.read_layer(layer, {});
            findings.sound(layer.content_size);
        } catch (const Error& error) {
            findings.add(error, dimension, layer.layer);
        }
    }
}

void check(const impl::BackupDirectory& directory, const Item& item, impl::Findings& findings,
           const std::atomic<bool>& stop) {
    const Dimension dimension = item.entry->dimension;
    try {
        if (item.entry->kind != impl::BackupKind::same) {
            check_contents(impl::open_backed_archive(directory.backup_path(item.manifest->number),
                                                     *item.entry, operation),
                           findings, dimension, stop);
        }
    } catch (const Error& error) {
        findings.add(error, dimension);
        return;  // the chain would say the same
    }
    try {
        const impl::BackedLayers chain(directory, *item.manifest, *item.entry, operation);
    } catch (const Error& error) {
        findings.add(error, dimension);
    }
}

}  // namespace

VolumeReport verify_backups(const std::filesystem::path& path, const VolumeVerifyOptions& options,
                            std::uint64_t number) {
    const impl::BackupDirectory directory(path, operation);
    if (number != 0 && !std::ranges::binary_search(directory.numbers(), number)) {
        ipc::fail(Errc::file_not_found, operation, directory.backup_path(number).string(),
                  "there is no such backup");
    }
    impl::Findings findings(options);
    const std::vector<Item> items = items_of(directory, findings, options, number);
    findings.report().dimensions = static_cast<std::uint64_t>(std::ranges::count_if(
        items, [](const Item& item) { return item.entry->kind != impl::BackupKind::same; }));
    impl::for_each_parallel(
        items.size(), options.threads,
        [&](std::size_t i, const std::atomic<bool>& stop) {
            check(directory, items[i], findings, stop);
        },
        [&] { findings.tell(); });
    return findings.finish();
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
