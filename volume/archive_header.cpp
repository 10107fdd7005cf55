// SPDX-License-Identifier: Apache-2.0
#include "volume/archive_header.hpp"

#include <algorithm>
#include <string>

#include "ipc/failure.hpp"
#include "volume/sha256.hpp"

namespace strata::volume_impl {

namespace {

constexpr std::array<std::byte, 4> magic = {std::byte{0x4D}, std::byte{0x4D}, std::byte{0x41},
                                            std::byte{0x50}};
constexpr std::size_t version_at = 4;
constexpr std::size_t dimension_at = 8;
constexpr std::size_t zero_at = 12;
constexpr std::size_t count_at = 16;
constexpr std::size_t size_at = 24;
constexpr std::size_t checksum_at = 32;
constexpr std::size_t rest_at = checksum_at + 32;

template <class Number>
void put(ArchiveHeaderBytes& bytes, std::size_t at, Number value) noexcept {
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        bytes[at + i] = static_cast<std::byte>(value >> (8 * i));
    }
}

template <class Number>
Number get(const ArchiveHeaderBytes& bytes, std::size_t at) noexcept {
    Number value = 0;
    for (std::size_t i = 0; i < sizeof(Number); ++i) {
        value |= static_cast<Number>(std::to_integer<Number>(bytes[at + i]) << (8 * i));
    }
    return value;
}

bool all_zero(std::span<const std::byte> bytes) noexcept {
    return std::ranges::all_of(bytes, [](std::byte byte) { return byte == std::byte{0}; });
}

void check_magic(const ArchiveHeaderBytes& bytes, const std::filesystem::path& path) {
    const auto found = std::span(bytes).first<magic.size()>();
    if (std::ranges::equal(found, magic)) {
        return;
    }
    if (std::equal(found.begin(), found.end(), magic.rbegin())) {
        ipc::fail(Errc::byte_order, "read archive", path.string(),
                  "the first four bytes are \"PAMM\" instead of \"MMAP\"",
                  "version 1 has the magic as text and all numbers little-endian");
    }
    ipc::fail(Errc::corrupt, "read archive", path.string(), "the first four bytes are not \"MMAP\"",
              "is it the region of an archive?");
}

}  // namespace

ArchiveHeaderBytes encode(const ArchiveHeader& header) noexcept {
    ArchiveHeaderBytes bytes{};
    std::ranges::copy(magic, bytes.begin());
    put(bytes, version_at, archive_version);
    put(bytes, dimension_at, header.dimension);
    put(bytes, count_at, header.layer_count);
    put(bytes, size_at, header.total_size);
    std::ranges::copy(header.checksum, bytes.begin() + checksum_at);
    return bytes;
}

ArchiveHeader decode(const ArchiveHeaderBytes& bytes, const std::filesystem::path& path) {
    check_magic(bytes, path);
    if (const auto version = get<std::uint32_t>(bytes, version_at); version != archive_version) {
        ipc::fail(Errc::format_version, "read archive", path.string(),
                  "has version " + std::to_string(version) + " of the format",
                  "this library reads version 1");
    }
    if (get<std::uint32_t>(bytes, zero_at) != 0 || !all_zero(std::span(bytes).subspan(rest_at))) {
        ipc::fail(Errc::corrupt, "read archive", path.string(),
                  "the header has bytes other than zero where version 1 has zeros");
    }
    ArchiveHeader header{.dimension = get<std::uint32_t>(bytes, dimension_at),
                         .layer_count = get<std::uint64_t>(bytes, count_at),
                         .total_size = get<std::uint64_t>(bytes, size_at)};
    std::copy_n(bytes.begin() + checksum_at, header.checksum.size(), header.checksum.begin());
    return header;
}

Sha256Digest header_checksum(const ArchiveHeader& header, std::span<const ArchivedLayer> layers) {
    const ArchiveHeaderBytes bytes = encode(header);
    Sha256 sha;
    sha.update(std::span(bytes).first(checksum_at));
    for (const ArchivedLayer& layer : layers) {
        sha.update(layer.checksum);
    }
    return sha.finish();
}

}  // namespace strata::volume_impl
