// SPDX-License-Identifier: Apache-2.0
#include "ipc/format/checksum.hpp"

#include <cstring>

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace strata::ipc {

std::uint64_t checksum_of(const void* bytes, std::size_t size) noexcept {
    return XXH3_64bits(bytes, size);
}

std::uint64_t layer_checksum(const LayerHeader& header, const void* payload,
                             std::uint64_t payload_bytes, const void* tail,
                             std::uint64_t tail_bytes) noexcept {
    struct {
        unsigned char head[offsetof(LayerHeader, stamp)];
        std::uint64_t payload;
        std::uint64_t tail;
    } input{};
    static_assert(sizeof(input) == 32);
    std::memcpy(input.head, &header, sizeof(input.head));
    input.payload = XXH3_64bits(payload, payload_bytes);
    input.tail = tail_bytes == 0 ? 0 : XXH3_64bits(tail, tail_bytes);
    return XXH3_64bits(&input, sizeof(input));
}

}  // namespace strata::ipc
