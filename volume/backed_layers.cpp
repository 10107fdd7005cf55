// SPDX-License-Identifier: Apache-2.0
#include "volume/backed_layers.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "ipc/format/checksum.hpp"
#include "ipc/format/layer_block.hpp"
#include "volume/archive_index.hpp"
#include "volume/failures.hpp"

namespace strata::volume_impl {

namespace {

/// An entry of the chain, and the manifest that has it.
struct ChainLink {
    const BackupManifest* manifest;
    const BackedDimension* entry;
};

// From the newest to the one that is whole. Manifests lead backwards only, so this ends.
std::vector<ChainLink> chain_of(const BackupDirectory& directory, const BackupManifest& manifest,
                                const BackedDimension& entry, std::string_view operation) {
    std::vector<ChainLink> chain{{&manifest, &entry}};
    while (chain.back().entry->kind != BackupKind::whole) {
        const BackupManifest& from = *chain.back().manifest;
        const BackupManifest& base = directory.base(from, chain.back().entry->base);
        const BackedDimension* const found = base.find(entry.dimension);
        if (found == nullptr) {
            fail_corrupt(operation, directory.backup_path(base.number) / manifest_name,
                         "has no dimension " + std::to_string(entry.dimension) +
                             ", on which backup " + std::to_string(from.number) + " builds");
        }
        chain.push_back({&base, found});
    }
    return chain;
}

}  // namespace

OpenArchive open_backed_archive(const std::filesystem::path& backup, const BackedDimension& entry,
                                std::string_view operation) {
    const std::filesystem::path path = backup / archive_folder(entry.dimension);
    ArchiveFiles files(path);
    Sha256Digest checksum{};
    ArchiveIndex index = files.read_index(&checksum);
    if (checksum != entry.index_checksum) {
        fail_corrupt(operation, files.index_path(), "does not have the checksum in the manifest");
    }
    const ArchiveHeader header = files.read_header();
    files.compare(header, index);
    if (header.checksum != entry.region_checksum || header.dimension != entry.dimension) {
        fail_corrupt(operation, files.region_path(), "is not the one that the manifest lists");
    }
    return {std::move(files), std::move(index)};
}

BackedLayers::BackedLayers(const BackupDirectory& directory, const BackupManifest& manifest,
                           const BackedDimension& entry, std::string_view operation) {
    const std::vector<ChainLink> chain = chain_of(directory, manifest, entry, operation);
    for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
        if (link->entry->kind != BackupKind::same) {
            const OpenArchive& archive = archives_.emplace_back(open_backed_archive(
                directory.backup_path(link->manifest->number), *link->entry, operation));
            apply(archive, link->entry->removed);
        }
    }
    std::uint64_t digest = 0;
    for (const BackedLayer& layer : layers_) {
        digest += ipc::mix_checksum(
            ipc::kept_checksum(layer.layer->live_checksum, layer.layer->content_size));
    }
    if (layers_.size() != entry.layers || digest != entry.digest) {
        fail_corrupt(operation, directory.backup_path(manifest.number) / manifest_name,
                     "says that dimension " + std::to_string(entry.dimension) + " has " +
                         std::to_string(entry.layers) + " layers with digest " +
                         bits_text(entry.digest) + ", and its chain of " +
                         std::to_string(chain.size()) + " backups gives " +
                         std::to_string(layers_.size()) + " with " + bits_text(digest));
    }
}

void BackedLayers::apply(const OpenArchive& archive, const std::vector<std::uint64_t>& removed) {
    const auto number = [](const BackedLayer& layer) { return layer.layer->layer; };
    std::vector<BackedLayer> changed;
    changed.reserve(archive.index.layers.size());
    for (const ArchivedLayer& layer : archive.index.layers) {
        changed.push_back({&archive, &layer});
    }
    std::ranges::sort(changed, {}, number);
    std::vector<BackedLayer> merged;
    merged.reserve(layers_.size() + changed.size());
    auto next = changed.begin();
    for (const BackedLayer& old : layers_) {
        while (next != changed.end() && number(*next) < number(old)) {
            merged.push_back(*next++);
        }
        const bool replaced = next != changed.end() && number(*next) == number(old);
        if (!replaced && !std::ranges::binary_search(removed, number(old))) {
            merged.push_back(old);
        }
    }
    merged.insert(merged.end(), next, changed.end());
    layers_ = std::move(merged);
}

}  // namespace strata::volume_impl
