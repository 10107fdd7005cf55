// SPDX-License-Identifier: Apache-2.0
// One version of a dimension, as this process knows it: its index and the cached places of its
// layers. The same in all generations between the commit that changed the dimension and the next.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "consumer/lookup/cache_aligned.hpp"
#include "consumer/lookup/sparse_list.hpp"
#include "ipc/files/region_file.hpp"
#include "ipc/index/view.hpp"
#include "strata/detail/dense_list.hpp"

namespace strata::consumer_impl {

struct FreeWords {
    void operator()(std::uint64_t* words) const noexcept { std::free(words); }
};
using WordArray = std::unique_ptr<std::uint64_t[], FreeWords>;  // from calloc

/// Lives as long as a view that is open reads a generation that has this version. Fields without
/// another word are written once, or under the mutex of the cache's owner.
struct alignas(64) CachedDimension : CacheAligned {
    /// Its list, if it has one and the layer numbers are dense.
    detail::DenseList dense{};

    // In the same cache line: what is asked first in a new generation.
    std::uint64_t dimension = 0;
    // The generations in which it was found.
    Generation first = 0;
    Generation last = 0;
    /// It holds for later ones of this chain, too (version_table.hpp); 0: only for these.
    std::uint32_t chain = 0;

    ipc::IndexView index{};
    std::atomic<SparseList*> sparse{nullptr};  // its list, if they are not
    /// Look-ups until a list is worth its memory; 0: that was tried. Counted down by index walks,
    /// without a read-modify-write: a few lost counts do not matter.
    std::atomic<std::uint32_t> walks_left{0};
    /// How many more if an older version's list turns out to be still in use: a copy costs more
    /// than taking over.
    std::uint32_t walks_for_copy = 0;

    /// Views of generations up to this one may still lead to it, beyond `last`.
    Generation kept = 0;

    // What tells it from other versions of the dimension.
    std::uint64_t serial = 0;  // of the region file
    Generation changed = 0;    // as the record says

    std::shared_ptr<ipc::RegionMapping> region;  // kept mapped
    WordArray words;                             // of `dense`
    SparseList::Pointer own_sparse;              // what `sparse` leads to
    std::uint64_t list_bytes = 0;

    bool has_list() const noexcept { return list_bytes != 0; }
};

}  // namespace strata::consumer_impl
