// SPDX-License-Identifier: Apache-2.0
// What a commit has allocated and what it makes unreachable, so that it can be undone or retired.
#pragma once

#include <cstdint>
#include <vector>

#include "producer/memory/region.hpp"
#include "producer/reclaim/limbo.hpp"

namespace strata::producer_impl {

struct CommitTrail {
    struct Block {
        Region* region;
        std::uint64_t offset;
    };
    std::vector<Block> allocated;
    std::vector<Retired> retired;         // their tags are not known yet
    std::vector<std::uint64_t> replaced;  // offsets of the headers of layers that an index lost

    /// The region's lock is held. Returns the block's bytes.
    std::uint64_t retire(Region& region, std::uint64_t offset) {
        const std::uint64_t bytes = region.block_bytes_held(offset);
        retired.push_back({.region = &region,
                           .offset = offset,
                           .birth = Retired::birth_in_region,
                           .tag = 0,
                           .bytes = bytes});
        return bytes;
    }
};

}  // namespace strata::producer_impl
