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
inline constexpr std::uint64_t max_manifest_bytes = std::uint64_t{1} << 30;

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
    std::vector<BackedDimension> dimensions{};  ///< ascending

    const BackedDimension* find(Dimension dimension) const noexcept;
    /// Null if it does not build on that backup.
    const BackupLink* link(std::uint64_t number) const noexcept;
};

std::string manifest_text(const BackupManifest& manifest);
/// `path` is for errors: corrupt, format_version.
BackupManifest parse_manifest(std::string_view text, const std::filesystem::path& path);

}  // namespace strata::volume_impl
