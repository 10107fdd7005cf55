// SPDX-License-Identifier: Apache-2.0
// Going back to the durable generation while the machine runs: what is durable is published once
// more, as the next generation, so that readers stay consistent.
#pragma once

#include <cstdint>
#include <string_view>

#include "strata/producer.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

struct RollbackReport {
    Generation durable = 0;    ///< the generation whose content is published again
    Generation abandoned = 0;  ///< the one that was published last before
    /// Published: the next one after that. As `abandoned` if there was nothing to change.
    Generation generation = 0;
    std::uint64_t dimensions = 0;  ///< that were added, removed, renamed, or changed otherwise
    std::uint64_t put = 0;         ///< layers that are as they were again
    std::uint64_t erased = 0;      ///< layers erased, without those of removed dimensions
    /// Whether `generation` is durable as well. False after `durability_lost`: a power failure
    /// leaves the store at `durable` then, which is the same.
    bool made_durable = false;
};

/// Opens the store as its producer and publishes the content of its last durable generation
/// (docs/durability.md) as the next one: an ordinary commit, which puts copies of the layers that
/// differ, and removes what was added. Numbers go on, snapshots keep what they see, `changes` says
/// what went back. Layers that are put back have the new generation; where dimensions lie that are
/// there stays, unless somebody could read them there to whom they were closed: such a dimension is
/// removed and added again. Takes reading the headers of all layers of the dimensions that changed,
/// and memory for the copies next to the existing data.
///
/// `options` as for Producer::open; DurabilityOptions do not matter. Throws what that throws;
/// generation_not_retained (no generation is durable), corrupt (a layer of the durable generation
/// is damaged; nothing was changed), limit_exceeded, no_space (nothing was changed),
/// durability_lost (the numbers up to the lease are used up). No process may be the store's
/// producer meanwhile (producer_active).
RollbackReport roll_back(std::string_view name, const ProducerOptions& options);

}  // namespace strata::inline STRATA_ABI_NAMESPACE
