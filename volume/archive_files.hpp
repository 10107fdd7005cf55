// SPDX-License-Identifier: Apache-2.0
// The two files of an archive, opened together, and what may be wrong with them, part by part: the
// reader takes the first failure for an error, verification and salvage go on behind it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "ipc/os.hpp"
#include "strata/volume_archive.hpp"
#include "volume/archive_header.hpp"
#include "volume/sha256.hpp"

namespace strata::volume_impl {

inline constexpr const char* region_name = "region.mmap";
inline constexpr const char* index_name = "index.json";
inline constexpr const char* layers_name = "layers";

class ArchiveFiles {
public:
    /// Throws unless both are regular files that can be read.
    explicit ArchiveFiles(std::filesystem::path directory);

    const std::filesystem::path& path() const noexcept { return path_; }
    std::filesystem::path region_path() const { return path_ / region_name; }
    std::filesystem::path index_path() const { return path_ / index_name; }
    std::uint64_t region_bytes() const noexcept { return region_bytes_; }
    std::uint64_t index_bytes() const noexcept { return index_bytes_; }

    /// The index alone: parsed, its layers within bounds, in whole pages, one behind the other, no
    /// number twice. Once. Throws corrupt, format_version, limit_exceeded, system.
    /// `checksum`, if given, becomes the SHA-256 of index.json.
    ArchiveIndex read_index(Sha256Digest* checksum = nullptr);
    /// The SHA-256 of index.json; before read_index(). Throws limit_exceeded, system.
    Sha256Digest index_checksum() const;
    /// Throws truncated, corrupt, byte_order, format_version, system.
    ArchiveHeader read_header() const;
    /// The header against the index and the file's size. Throws truncated, corrupt.
    void compare(const ArchiveHeader& header, const ArchiveIndex& index) const;
    /// A layer's bytes against its checksum; the content goes to `out` if that is not empty.
    void read_layer(const ArchivedLayer& layer, std::span<std::byte> out) const;

private:
    std::string index_text() const;

    std::filesystem::path path_;
    ipc::FileDescriptor region_;
    ipc::FileDescriptor index_;
    std::uint64_t region_bytes_ = 0;
    std::uint64_t index_bytes_ = 0;
};

/// An archive whose two files fit each other. Its content was not read yet.
struct OpenArchive {
    ArchiveFiles files;
    ArchiveIndex index;

    /// Throws as ArchiveReader::open.
    static OpenArchive open(const std::filesystem::path& directory);
};

}  // namespace strata::volume_impl
