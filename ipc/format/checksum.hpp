// SPDX-License-Identifier: Apache-2.0
// Checksums: XXH3-64 (https://xxhash.com). They detect accidents, not forgery.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ipc/format/layout.hpp"

namespace strata::ipc {

std::uint64_t checksum_of(const void* bytes, std::size_t size) noexcept;

/// Of a record that ends in its own checksum.
template <class Record>
std::uint64_t record_checksum(const Record& record) noexcept {
    static_assert(offsetof(Record, checksum) + sizeof(std::uint64_t) == sizeof(Record));
    return checksum_of(&record, offsetof(Record, checksum));
}

/// Of a layer: the XXH3-64 of 32 bytes: header bytes 0..15, then the XXH3-64 of the payload and the
/// XXH3-64 of the tail (0 if there is none).
std::uint64_t layer_checksum(const LayerHeader& header, const void* payload,
                             std::uint64_t payload_bytes, const void* tail,
                             std::uint64_t tail_bytes) noexcept;

/// What a checksum adds to a digest. The sums of equal sets are equal, whatever their order; the
/// finalizer of SplitMix64 (Steele, Lea, Flood, 2014) keeps related checksums from cancelling out.
constexpr std::uint64_t mix_checksum(std::uint64_t checksum) noexcept {
    checksum += 0x9E37'79B9'7F4A'7C15;
    checksum = (checksum ^ (checksum >> 30)) * 0xBF58'476D'1CE4'E5B9;
    checksum = (checksum ^ (checksum >> 27)) * 0x94D0'49BB'1331'11EB;
    return checksum ^ (checksum >> 31);
}

}  // namespace strata::ipc
