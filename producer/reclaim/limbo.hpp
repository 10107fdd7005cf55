// SPDX-License-Identifier: Apache-2.0
// Blocks that the current generation no longer reaches, until no reader can reach them either.
// Interval-based reclamation (Wen et al., PPoPP 2018) with the kernel's lock table as the readers'
// reservations; claims and argument in docs/reclamation.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "ipc/lock_table.hpp"

namespace strata::producer_impl {

class Region;

/// A retired block. A reader that pins epoch p may still read it iff birth <= p <= tag.
struct Retired {
    /// The allocator knows it: asked only when there is a pin to compare with.
    static constexpr std::uint64_t birth_in_region = ~std::uint64_t{0};

    Region* region = nullptr;
    std::uint64_t offset = 0;
    std::uint64_t birth = 0;  // epoch in which it was allocated, or earlier; or birth_in_region
    std::uint64_t tag = 0;    // epoch in which it was retired
    std::uint64_t bytes = 0;
};

/// Blocks are examined in portions: each query of the readers' pins begins a scan, which tests
/// everything in limbo against those pins. Later queries can only find fewer (docs/reclamation.md,
/// C6), so what these do not protect may be freed at any time. Not thread-safe: the commit lock
/// guards it.
class Limbo {
public:
    /// Makes sure that `add` of that many cannot fail.
    void reserve(std::size_t count);
    void add(const Retired& block) noexcept {
        new_.push_back(block);  // within the reserved capacity
        new_bytes_ += block.bytes;
    }

    std::uint64_t bytes() const noexcept { return unscanned_bytes() + held_bytes_; }
    /// Bytes retired since the last scan began.
    std::uint64_t new_bytes() const noexcept { return new_bytes_; }
    /// Bytes that no scan has examined yet: the new ones, and what the present scan has not
    /// reached.
    std::uint64_t unscanned_bytes() const noexcept { return new_bytes_ + scan_bytes_; }
    /// Bytes that a scan found to be held.
    std::uint64_t held_bytes() const noexcept { return held_bytes_; }

    /// Bytes whose oldest holder pins one of these epochs.
    std::uint64_t held_by(const ipc::EpochRange& range) const noexcept;

    /// Queues for examination against `pinned` (ascending, disjoint) what is new, what released
    /// pins held, and what an earlier scan did not reach. All pins up to the last tag are among
    /// them. Moves lists, not blocks: O(holders). std::bad_alloc: nothing has changed.
    void begin_scan(std::span<const ipc::EpochRange> pinned);
    bool scanning() const noexcept { return !scan_.empty(); }
    /// Examines up to `most` blocks: appends what no pin protects to `freed`, which has room for
    /// them. Returns how many; 0: none are left, or there is no memory to keep one that is held.
    /// Each block is examined once when it is new and once for each released pin that held it.
    std::size_t scan(std::size_t most, std::vector<Retired>& freed) noexcept;

private:
    using Blocks = std::vector<Retired>;
    struct Held {
        Blocks blocks;
        std::uint64_t bytes = 0;
    };

    Blocks new_;
    std::vector<Blocks> scan_;             // none of them empty; from the last one's end
    Blocks spare_;                         // empty: the next `new_`, for its capacity
    std::vector<ipc::EpochRange> pinned_;  // for the present scan
    std::map<std::uint64_t, Held> held_;   // by the oldest epoch that holds them
    std::uint64_t new_bytes_ = 0;
    std::uint64_t scan_bytes_ = 0;
    std::uint64_t held_bytes_ = 0;
};

/// The oldest epoch in [birth, tag] that is pinned, if there is one.
std::optional<std::uint64_t> oldest_holder(std::span<const ipc::EpochRange> pinned,
                                           std::uint64_t birth, std::uint64_t tag) noexcept;

}  // namespace strata::producer_impl
