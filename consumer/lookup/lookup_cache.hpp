// SPDX-License-Identifier: Apache-2.0
// The look-up cache of one attachment, in private memory: from a dimension to what is known of it,
// and from there to its layers. All views share it; each entry says for which generations it holds,
// so what a commit did not change need not be learned again.
//
// Two steps. A hash table leads from dimension and generation to a version of the dimension
// (version_table.hpp); the version's list leads from layer number to payload: an array of words for
// dense numbers, a hash table for others. Nothing here is needed for a look-up to succeed, and
// nothing depends on how many dimensions the store has: the table holds those that were looked
// into.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "consumer/lookup/cache_memory.hpp"
#include "consumer/lookup/cached_dimension.hpp"
#include "consumer/lookup/lookup_table.hpp"
#include "consumer/lookup/seeded_hash.hpp"
#include "consumer/lookup/version_table.hpp"
#include "ipc/format/layout.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {

/// What the cache has to know about the views that read it.
class OpenGenerations {
public:
    /// Whether a view of a generation in [first, last] is open: its index nodes are pinned, and
    /// somebody may read what the cache says of it.
    virtual bool any_open(Generation first, Generation last) const noexcept = 0;
    /// Whether somebody holds such a view, or may take it again. May cost a barrier.
    virtual bool any_held(Generation first, Generation last) noexcept = 0;
    /// How many views have been opened so far: the number of the last one.
    virtual std::uint64_t opened() const noexcept = 0;
    /// The number of the one that has been open longest; more than any if none is open.
    virtual std::uint64_t oldest_open() const noexcept = 0;

protected:
    ~OpenGenerations() = default;
};

/// Guarded by the owner's mutex, under which views are opened and closed; except `learn`, and
/// searching a table.
class LookupCache {
public:
    /// Throws std::bad_alloc.
    LookupCache(std::optional<std::uint64_t> limit_bytes, OpenGenerations& views);
    LookupCache(const LookupCache&) = delete;
    LookupCache& operator=(const LookupCache&) = delete;

    /// The newest table, to be searched by any thread that holds a view. Older ones stay for those
    /// who are searching them: they find less.
    const LookupTable& table() const noexcept { return versions_.newest(); }

    /// The version that a record of this generation describes, if it is known; it holds for this
    /// generation, too, from then on.
    CachedDimension* match(Generation generation, const ipc::DimensionRecord& record) noexcept {
        return versions_.match(generation, record);
    }
    /// For chains of generations.
    VersionTable& version_table() noexcept { return versions_; }
    /// A version that is not known yet. Throws std::bad_alloc.
    CachedDimension* add(Generation generation, const ipc::DimensionRecord& record,
                         const ipc::IndexView& index, std::shared_ptr<ipc::RegionMapping> region);
    /// A walk has found a layer: any thread that holds such a view. True: the version was walked
    /// often enough to be worth a list; open one.
    static bool learn(CachedDimension& version, std::uint64_t layer, const Layer& found) noexcept;
    /// Makes a list for a version, from an older version's if there is one. Does nothing if there
    /// is no memory for it, or it has one.
    void open_list(CachedDimension& version) noexcept;
    /// Forgets what no open view can read.
    void forget_unread() noexcept;
    /// A view of that generation, of so many bytes, is about to be opened. Throws std::bad_alloc.
    void prepare(Generation generation, std::uint64_t live_bytes) {
        memory_.follow_store(live_bytes);
        make_room(generation);  // so that the table counts it
    }

    const CacheMemory& memory() const noexcept { return memory_; }
    std::uint64_t versions() const noexcept { return versions_.size(); }
    std::uint64_t lists() const noexcept { return lists_; }

    /// Look-ups that walk until a list is worth its memory, and until one is taken over.
    static constexpr std::uint32_t least_walks = 16;
    static constexpr std::uint32_t walks_to_inherit = 16;
    /// A list of so few is copied soon: to ask who holds the older version costs more.
    static constexpr std::uint64_t least_layers_to_take = 512;
    static constexpr std::uint32_t walks_to_copy = 2;
    /// And until memory that was refused is asked for again.
    static constexpr std::uint32_t walks_until_retry = 1024;

private:
    static constexpr unsigned swept_at_once = 64;

    void make_room(Generation generation);
    bool is_read(const CachedDimension& version) const noexcept;
    bool is_held(const CachedDimension& version) noexcept;
    bool is_pinned(const CachedDimension& version) const noexcept;
    void forget(LookupEntry& entry) noexcept;
    void forget_if_unread(LookupEntry& entry) noexcept;
    void forget(const CachedDimension& version) noexcept;
    bool take(std::uint64_t bytes) noexcept;

    CachedDimension* predecessor(const CachedDimension& version) const noexcept;
    bool postpone_copy(CachedDimension& version) noexcept;
    void open_dense(CachedDimension& version, std::uint64_t words) noexcept;
    void open_sparse(CachedDimension& version) noexcept;

    OpenGenerations& views_;
    const SeededHash hash_;
    CacheMemory memory_;
    VersionTable versions_;
    std::uint64_t lists_ = 0;
};

}  // namespace strata::consumer_impl
