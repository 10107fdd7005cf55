// SPDX-License-Identifier: Apache-2.0
// What the current generation reaches of a store that is being taken over: its blocks are adopted
// from its root on, and its dimensions become known. Whatever does not fit what the records say
// ends the takeover; held_blocks.hpp finds afterwards what else is held.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "ipc/format/layout.hpp"
#include "producer/commit/current_generation.hpp"
#include "producer/commit/dimension_homes.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/lifecycle/pinned_generations.hpp"
#include "producer/memory/region.hpp"
#include "producer/memory/region_factory.hpp"

namespace strata::producer_impl {

class LiveBlocks {
public:
    /// `current` has its root, and gets everything else. All that is referred to outlives this
    /// object.
    LiveBlocks(ControlRegion& control, CurrentGeneration& current, DimensionHomes& homes,
               RegionFactory& factory, const PinnedGenerations& pinned,
               std::string_view operation) noexcept
        : control_(control),
          current_(current),
          homes_(homes),
          factory_(factory),
          pinned_(pinned),
          operation_(operation) {}

    /// To be called once. Throws corrupt, truncated, not_trusted, permission_denied, system.
    void adopt() STRATA_REQUIRES(commit_role);

private:
    void adopt_dimension(const ipc::DimensionRecord& record, std::uint64_t record_offset)
        STRATA_REQUIRES(commit_role);
    /// Opened when it is first met.
    std::shared_ptr<Region> region_of(const ipc::DimensionRecord& record)
        STRATA_REQUIRES(commit_role);

    ControlRegion& control_;
    CurrentGeneration& current_;
    DimensionHomes& homes_;
    RegionFactory& factory_;
    const PinnedGenerations& pinned_;
    const std::string_view operation_;
};

}  // namespace strata::producer_impl
