// SPDX-License-Identifier: Apache-2.0
// Blocks for what a commit writes: index nodes and records. Each is in the commit's trail, to be
// given back if nothing comes of it.
#pragma once

#include <cstdint>

#include "ipc/format/layout.hpp"
#include "producer/commit/commit_trail.hpp"
#include "producer/memory/memory_budget.hpp"
#include "producer/memory/region.hpp"

namespace strata::producer_impl {

class BlockSource {
public:
    BlockSource(const BlockSource&) = delete;
    BlockSource& operator=(const BlockSource&) = delete;

    CommitTrail& trail() noexcept { return trail_; }

    /// Offset of a block. The region's lock is held. Throws Error if there is no room,
    /// std::bad_alloc.
    std::uint64_t allocate(Region& region, std::uint64_t bytes) {
        trail_.allocated.push_back({&region, 0});  // first: nothing is lost if it throws
        try {
            const Region::Allocation result =
                region.allocate_held(bytes, ipc::block_unit, birth_, reserve_);
            trail_.allocated.back().offset = result.refusal == Region::Refusal::none
                                                 ? result.offset
                                                 : allocate_refused(region, bytes, result);
        } catch (...) {
            trail_.allocated.pop_back();
            throw;
        }
        return trail_.allocated.back().offset;
    }

protected:
    explicit BlockSource(CommitTrail& trail) noexcept : trail_(trail) {}
    ~BlockSource() = default;

    // Not later than the epoch in which the blocks are allocated.
    void set_birth(std::uint64_t epoch) noexcept { birth_ = epoch; }
    void set_reserve(Reserve reserve) noexcept { reserve_ = reserve; }
    std::uint64_t birth() const noexcept { return birth_; }
    Reserve reserve() const noexcept { return reserve_; }

private:
    /// Makes room, or throws why there is none.
    virtual std::uint64_t allocate_refused(Region& region, std::uint64_t bytes,
                                           Region::Allocation refusal) = 0;

    CommitTrail& trail_;
    std::uint64_t birth_ = 0;
    Reserve reserve_ = Reserve::use;
};

}  // namespace strata::producer_impl
