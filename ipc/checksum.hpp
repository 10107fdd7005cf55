// SPDX-License-Identifier: Apache-2.0
// Checksums: XXH3-64 (https://xxhash.com). They detect accidents, not forgery.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ipc/layout.hpp"

namespace strata::ipc {

std::uint64_t checksum_of(const void* bytes, std::size_t size) noexcept;

/// Of a record that ends in its own checksum.
template <class Record>
std::uint64_t record_checksum(const Record& record) noexcept {
    static_assert(offsetof(Record, checksum) + sizeof(std::uint64_t) == sizeof(Record));
    return checksum_of(&record, offsetof(Record, checksum));
}

/// Of a layer: the XXH3-64 of 64 bytes: header bytes 0..39, alignment (8 bytes), then the XXH3-64
/// of the payload and the XXH3-64 of the metadata.
std::uint64_t layer_checksum(const LayerHeader& header, const void* payload,
                             const void* metadata) noexcept;

}  // namespace strata::ipc
