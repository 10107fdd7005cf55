// SPDX-License-Identifier: Apache-2.0
// The dimensions that an attachment has looked into: the mappings of their region files, and what
// is known of their layers (the look-up cache). Guarded by the mutex under which views are opened
// and closed.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "consumer/attachment/attachment.hpp"
#include "consumer/lookup/lookup_cache.hpp"
#include "ipc/files/region_file.hpp"
#include "ipc/format/layout.hpp"

namespace strata::consumer_impl {

class MappedDimensions {
public:
    /// Both outlive it. Throws std::bad_alloc.
    MappedDimensions(const Attachment& attachment, OpenGenerations& views)
        : attachment_(attachment), cache_(attachment.options.lookup_cache_bytes, views) {}

    LookupCache& cache() noexcept { return cache_; }
    const LookupCache& cache() const noexcept { return cache_; }

    /// A view of that root is about to be opened. Throws std::bad_alloc.
    void prepare(const ipc::RootRecord& root);
    /// What the record of a generation describes, mapping its file if need be. Throws Error,
    /// std::bad_alloc.
    CachedDimension& version_of(Generation generation, const ipc::DimensionRecord& record);
    ConsumerStatistics statistics() const noexcept;

private:
    void drop_unused_regions() noexcept;

    const Attachment& attachment_;
    LookupCache cache_;
    /// By serial. (A hash table would cost a first attachment three more pages of code.)
    std::vector<std::pair<std::uint64_t, std::shared_ptr<ipc::RegionMapping>>> regions_;
    Generation regions_layout_ = 0;  // the newest change of regions that was heeded
};

}  // namespace strata::consumer_impl
