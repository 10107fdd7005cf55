// SPDX-License-Identifier: Apache-2.0
// The manifest of one backup: which generation of which store it is, and for each dimension which
// files hold it; docs/backup-format.md has every field. What is read was written by anybody.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "strata/volume_archive.hpp"
#include "volume/region_settings.hpp"

namespace strata::volume_impl {

inline constexpr const char* manifest_name = "manifest.json";
inline constexpr const char* manifest_checksum_name = "manifest.json.sha256";
inline constexpr std::uint64_t max_checksum_bytes = 4096;  // of manifest.json.sha256
inline constexpr const char* unchanged_name = "unchanged.json";
inline constexpr std::uint64_t max_manifest_bytes = std::uint64_t{1} << 30;  // of either file
inline constexpr std::string_view manifest_format = "strata backup";
inline constexpr std::uint64_t manifest_version = 2;

/// How a backup holds a dimension.
enum class BackupKind : unsigned char {
    whole,    ///< an archive of all its layers
    changes,  ///< an archive of the layers that differ from those of `base`, and what was removed
    same,     ///< nothing: it is as in `base`
};

struct BackedDimension {
    Dimension dimension = 0;
    std::string name{};
    std::uint64_t layers = 0;               ///< that it has, not those in the archive
    std::uint64_t digest = 0;               ///< DimensionInfo::digest
    std::optional<OwnRegion> own_region{};  ///< none: it shares one
    BackupKind kind = BackupKind::whole;
    std::uint64_t base = 0;                ///< number of the backup that it builds on; 0: `whole`
    std::vector<std::uint64_t> removed{};  ///< of `base`, ascending; `changes` only
    // Of the archive; not for `same`.
    std::uint64_t index_bytes = 0;
    Sha256Digest index_checksum{};  ///< of index.json
    std::uint64_t region_bytes = 0;
    Sha256Digest region_checksum{};  ///< the one in the header, which covers the whole file
};

/// Another backup, and the SHA-256 of its manifest.
struct BackupLink {
    std::uint64_t number = 0;
    Sha256Digest checksum{};
};

/// The other file of a manifest: the dimensions that are the same as in another backup. Apart, so
/// that what builds on a backup, and needs its archives alone, reads what had changed and no more.
struct UnchangedFile {
    std::uint64_t bytes = 0;
    Sha256Digest checksum{};
};

struct BackupManifest {
    std::uint64_t number = 0;
    std::string store{};
    std::string store_id{};
    Generation generation = 0;
    std::uint64_t digest = 0;
    std::string published_at{};  ///< RFC 3339, as made_at
    std::string made_at{};
    // How the store was made.
    std::uint64_t memory_limit = 0;
    std::uint64_t region_max_bytes = 0;
    std::uint32_t mode = 0;                     ///< of its files
    bool complete = false;                      ///< all dimensions that the generation has
    std::vector<BackupLink> builds_on{};        ///< ascending
    std::optional<UnchangedFile> unchanged{};   ///< none: no dimension is the same
    std::vector<BackedDimension> dimensions{};  ///< ascending; see parse_manifest

    const BackedDimension* find(Dimension dimension) const noexcept;
    /// Null if it does not build on that backup.
    const BackupLink* link(std::uint64_t number) const noexcept;
};

/// The text of unchanged.json; empty if there is none. The manifest is told of it.
std::string unchanged_text(BackupManifest& manifest);
/// After unchanged_text.
std::string manifest_text(const BackupManifest& manifest);
/// Of manifest.json.sha256: as sha256sum writes it.
std::string manifest_checksum_text(std::string_view manifest_text);
/// Without the dimensions in `unchanged`. `path` is for errors: corrupt, format_version.
BackupManifest parse_manifest(std::string_view text, const std::filesystem::path& path);
/// Adds those.
void parse_unchanged(std::string_view text, const std::filesystem::path& path,
                     BackupManifest& manifest);

inline constexpr const char* kind_names[] = {"whole", "changes", "same"};

}  // namespace strata::volume_impl
