// SPDX-License-Identifier: Apache-2.0
// What readers of epochs that are over can still reach of a store that is being taken over: blocks
// and region files that the current generation does not need. See docs/reclamation.md, C22.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ipc/files/control_file.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/lifecycle/pinned_generations.hpp"
#include "producer/memory/region.hpp"
#include "producer/reclaim/limbo.hpp"

namespace strata::producer_impl {

class HeldBlocks {
public:
    /// The regions of the current generation by serial, whose own blocks are all adopted.
    using Regions = CurrentGeneration::Regions;

    HeldBlocks(const ipc::ControlFile& control_file, Region& control, const Regions& regions,
               std::string_view operation) noexcept
        : control_file_(control_file),
          control_(control),
          regions_(regions),
          operation_(operation) {}

    /// Adopts what readers of an epoch can reach and nobody has adopted: from the root that was
    /// current when it ended back to the first one that they can have. To be called with ascending
    /// epochs. Throws Error{corrupt, truncated}: some of it is unknown.
    void trace(const PinnedGeneration& pinned);

    /// Each with the first and the last of the traced epochs that reach it.
    const std::vector<Retired>& blocks() const noexcept { return blocks_; }
    /// Files that no dimension of the current generation lies in, by serial, likewise.
    const std::map<std::uint64_t, ipc::EpochRange>& files() const noexcept { return files_; }

private:
    class Tracer;
    bool claim(Region& region, std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment);
    [[noreturn]] void fail_overlap(const Region& region, std::uint64_t offset) const;
    void trace_root(std::uint64_t offset, const ipc::RootRecord& root);
    void trace_dimension(const ipc::DimensionRecord& record);

    const ipc::ControlFile& control_file_;
    Region& control_;
    const Regions& regions_;
    const std::string_view operation_;
    std::uint64_t epoch_ = 0;  // being traced
    std::vector<Retired> blocks_;
    /// A block that was claimed, by its offset.
    struct Claim {
        std::size_t block;    // in blocks_
        std::uint64_t bytes;  // as asked for
    };
    std::map<const Region*, std::unordered_map<std::uint64_t, Claim>> by_offset_;
    std::map<std::uint64_t, ipc::EpochRange> files_;
};

}  // namespace strata::producer_impl
