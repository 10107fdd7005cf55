// SPDX-License-Identifier: Apache-2.0
#include "ipc/checksum.hpp"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "strata/layer.hpp"

namespace strata {

std::uint64_t layer_number(std::string_view name) noexcept {
    return XXH3_64bits(name.data(), name.size());
}

namespace ipc {

std::uint64_t checksum_of(const void* bytes, std::size_t size) noexcept {
    return XXH3_64bits(bytes, size);
}

std::uint64_t layer_checksum(const LayerHeader& header, const void* payload,
                             const void* metadata) noexcept {
    struct {
        unsigned char head[40];
        std::uint64_t alignment;
        std::uint64_t payload;
        std::uint64_t metadata;
    } input{};
    static_assert(sizeof(input) == 64);
    std::memcpy(input.head, &header, sizeof(input.head));
    input.alignment = header.alignment;
    input.payload = XXH3_64bits(payload, header.payload_bytes);
    input.metadata = header.metadata_bytes == 0 ? 0 : XXH3_64bits(metadata, header.metadata_bytes);
    return XXH3_64bits(&input, sizeof(input));
}

}  // namespace ipc
}  // namespace strata
