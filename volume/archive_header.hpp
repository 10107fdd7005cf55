// SPDX-License-Identifier: Apache-2.0
// The 256 bytes at the beginning of region.mmap; docs/archive-format.md has the same table.
//
//     0   4  magic, the bytes "MMAP"
//     4   4  version, 1
//     8   4  dimension
//    12   4  zero
//    16   8  number of layers
//    24   8  total size: of the whole file
//    32  32  checksum: SHA-256 of the bytes 0 to 31 and of the layers' checksums, by offset
//    64 192  zero
//
// Numbers are little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>

#include "strata/volume_archive.hpp"

namespace strata::volume_impl {

inline constexpr std::size_t archive_header_bytes = 256;
inline constexpr std::uint64_t archive_page_bytes = 4096;
inline constexpr std::uint32_t archive_version = 1;

using ArchiveHeaderBytes = std::array<std::byte, archive_header_bytes>;

struct ArchiveHeader {
    Dimension dimension = 0;
    std::uint64_t layer_count = 0;
    std::uint64_t total_size = archive_header_bytes;
    Sha256Digest checksum{};
};

ArchiveHeaderBytes encode(const ArchiveHeader& header) noexcept;
/// `path` is for errors: corrupt, byte_order, format_version.
ArchiveHeader decode(const ArchiveHeaderBytes& bytes, const std::filesystem::path& path);
/// What the header's checksum has to be.
Sha256Digest header_checksum(const ArchiveHeader& header, std::span<const ArchivedLayer> layers);

/// `bytes` in whole pages. Precondition: at most 2^63.
constexpr std::uint64_t padded(std::uint64_t bytes) noexcept {
    return (bytes + archive_page_bytes - 1) / archive_page_bytes * archive_page_bytes;
}

}  // namespace strata::volume_impl
