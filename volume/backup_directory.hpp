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
/// The number in it; 0: that is no such name.
std::uint64_t backup_number(const std::string& folder) noexcept;
/// The folder of all backups, made if it is not there, with its parents: mode 0700. Throws
/// permission_denied, no_space, not_trusted, system.
void make_backup_directory(const std::filesystem::path& directory, std::string_view operation);
/// Removes what was left half made in it. Throws permission_denied, system.
void remove_unfinished_backups(const std::filesystem::path& directory, std::string_view operation);
/// Throws corrupt if the text of a manifest does not have the checksum in manifest.json.sha256.
Sha256Digest check_manifest(std::string_view text, std::string_view checksum_file,
                            const std::filesystem::path& path, std::string_view operation);

/// Thread safety: const members from any thread at once.
class BackupDirectory {
public:
    /// Has none.
    explicit BackupDirectory(std::string_view operation) : operation_(operation) {}
    /// Lists it. Throws file_not_found, permission_denied, system.
    BackupDirectory(std::filesystem::path path, std::string_view operation);

    const std::filesystem::path& path() const noexcept { return path_; }
    /// Ascending.
    const std::vector<std::uint64_t>& numbers() const noexcept { return numbers_; }
    std::filesystem::path backup_path(std::uint64_t number) const {
        return number == unpublished_ ? unpublished_path_ : path_ / backup_folder(number);
    }
    /// Counts a backup as one of them that lies elsewhere, before anything is read.
    void add_unpublished(std::uint64_t number, std::filesystem::path path);

    /// All of it, read and compared with its checksum once; the reference stays valid. Throws
    /// file_not_found, corrupt, format_version, not_trusted, truncated, limit_exceeded, system.
    const BackupManifest& manifest(std::uint64_t number) const;
    /// The same without the dimensions of which it holds no archive. O(what had changed then).
    const BackupManifest& changes(std::uint64_t number) const;
    /// `changes` that `from` builds on under that number. Throws as above, and corrupt if it is
    /// not the one that was built on; errors name both backups.
    const BackupManifest& base(const BackupManifest& from, std::uint64_t number) const;
    /// SHA-256 of a manifest.
    const Sha256Digest& checksum(std::uint64_t number) const;

private:
    struct Loaded {
        BackupManifest manifest;
        Sha256Digest checksum;
    };
    const Loaded& changed(std::uint64_t number) const;  // under mutex_
    Loaded read_changed(std::uint64_t number) const;

    std::filesystem::path path_;
    std::string_view operation_;
    std::vector<std::uint64_t> numbers_;
    std::uint64_t unpublished_ = 0;  // none
    std::filesystem::path unpublished_path_;
    mutable std::mutex mutex_;
    // Guarded by mutex_; entries never change.
    mutable std::map<std::uint64_t, Loaded> changed_;        // what manifest.json has
    mutable std::map<std::uint64_t, BackupManifest> whole_;  // with unchanged.json, if there is one
};

}  // namespace strata::volume_impl
