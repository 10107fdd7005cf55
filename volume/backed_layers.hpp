// SPDX-License-Identifier: Apache-2.0
// The layers of one dimension in one backup, collected along its chain: the archive of all layers
// first, then what each later backup changed. Which layers these are is compared with the digest
// that the live store had; their contents are not read yet.
#pragma once

#include <deque>
#include <vector>

#include "volume/archive_files.hpp"
#include "volume/backup_directory.hpp"

namespace strata::volume_impl {

struct BackedLayer {
    const OpenArchive* archive = nullptr;
    const ArchivedLayer* layer = nullptr;
};

/// The archive of an entry, compared with the manifest. Throws as ArchiveReader::open, and corrupt.
OpenArchive open_backed_archive(const std::filesystem::path& backup, const BackedDimension& entry,
                                std::string_view operation);

class BackedLayers {
public:
    /// Throws what BackupDirectory::base and ArchiveReader::open throw; corrupt if the chain does
    /// not give the layers that the manifest promises. O(layers of all archives in the chain).
    BackedLayers(const BackupDirectory& directory, const BackupManifest& manifest,
                 const BackedDimension& entry, std::string_view operation);

    /// Ascending by number.
    const std::vector<BackedLayer>& layers() const noexcept { return layers_; }
    std::size_t archive_count() const noexcept { return archives_.size(); }

private:
    void apply(const OpenArchive& archive, const std::vector<std::uint64_t>& removed);

    std::deque<OpenArchive> archives_;  // stay where they are
    std::vector<BackedLayer> layers_;
};

}  // namespace strata::volume_impl
