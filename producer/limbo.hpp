// SPDX-License-Identifier: Apache-2.0
// Blocks that the current generation no longer reaches, until no reader can reach them either.
// Interval-based reclamation (Wen et al., PPoPP 2018) with the kernel's lock table as the readers'
// reservations; claims and argument in docs/reclamation.md.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "ipc/lock_table.hpp"

namespace strata::producer_impl {

class Region;

/// A retired block. A reader that pins epoch p may still read it iff birth <= p <= tag.
struct Retired {
    Region* region = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t birth = 0;  // epoch in which it was allocated, or earlier
    std::uint64_t tag = 0;    // epoch in which it was retired
    std::uint64_t bytes = 0;
};

/// Not thread-safe: the commit mutex guards it.
class Limbo {
public:
    /// Makes sure that `add` of that many cannot fail.
    void reserve(std::size_t count);
    void add(const Retired& block) noexcept {
        fresh_.push_back(block);  // within the reserved capacity
        fresh_bytes_ += block.bytes;
    }

    std::uint64_t bytes() const noexcept { return fresh_bytes_ + parked_bytes_; }
    /// Bytes that were not looked at yet.
    std::uint64_t fresh_bytes() const noexcept { return fresh_bytes_; }
    std::uint64_t parked_bytes() const noexcept { return parked_bytes_; }

    /// Bytes whose oldest holder pins one of these epochs.
    std::uint64_t held_by(const ipc::EpochRange& range) const noexcept;

    /// Sorts out what `pinned` (ascending, disjoint) does not protect; gives it to `freed`. Blocks
    /// tagged after `last` stay. Each block is looked at once when it is new and once for each pin
    /// that held it and went.
    void collect(std::uint64_t last, std::span<const ipc::EpochRange> pinned,
                 std::vector<Retired>& freed);

private:
    std::vector<Retired> fresh_;
    struct Parked {
        std::vector<Retired> blocks;
        std::uint64_t bytes = 0;
    };
    std::map<std::uint64_t, Parked> parked_;  // by the first epoch of a pin that holds them
    std::uint64_t fresh_bytes_ = 0;
    std::uint64_t parked_bytes_ = 0;
};

/// True if some pinned epoch lies in [birth, tag]; gives the range's first epoch.
bool is_pinned(std::span<const ipc::EpochRange> pinned, std::uint64_t birth, std::uint64_t tag,
               std::uint64_t& holder) noexcept;

}  // namespace strata::producer_impl
