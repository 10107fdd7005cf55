// SPDX-License-Identifier: Apache-2.0
// A directory of backups: which there are, their manifests, and which of them build on which.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "volume/backup_manifest.hpp"

namespace strata::volume_impl {

/// `backup-00000007`.
std::string backup_folder(std::uint64_t number);

/// Thread safety: const members from any thread at once.
class BackupDirectory {
public:
    /// Lists it. Throws file_not_found, permission_denied, system.
    BackupDirectory(std::filesystem::path path, std::string_view operation);

    const std::filesystem::path& path() const noexcept { return path_; }
    /// Ascending.
    const std::vector<std::uint64_t>& numbers() const noexcept { return numbers_; }
    std::filesystem::path backup_path(std::uint64_t number) const {
        return path_ / backup_folder(number);
    }

    /// Read and compared with its checksum once; the reference stays valid. Throws file_not_found,
    /// corrupt, format_version, not_trusted, truncated, limit_exceeded, system.
    const BackupManifest& manifest(std::uint64_t number) const;
    /// The manifest that `from` builds on under that number. Throws as above, and corrupt if it is
    /// not the one that was built on; errors name both backups.
    const BackupManifest& base(const BackupManifest& from, std::uint64_t number) const;
    /// SHA-256 of a manifest.
    const Sha256Digest& checksum(std::uint64_t number) const;

private:
    struct Loaded {
        BackupManifest manifest;
        Sha256Digest checksum;
    };
    const Loaded& load(std::uint64_t number) const;
    Loaded read(std::uint64_t number) const;

    std::filesystem::path path_;
    std::string_view operation_;
    std::vector<std::uint64_t> numbers_;
    mutable std::mutex mutex_;
    mutable std::map<std::uint64_t, Loaded> loaded_;  // guarded by mutex_; entries never change
};

}  // namespace strata::volume_impl
