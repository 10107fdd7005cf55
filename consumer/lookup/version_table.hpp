// SPDX-License-Identifier: Apache-2.0
// All versions of dimensions that an attachment knows, and the table by which readers find them.
// It owns both, and counts what they take. Readers search the newest table (or, for a moment, an
// older one, which says less) without a lock; everything else is guarded by the mutex under which
// views are opened and closed.
//
// A chain: generations each of which was compared with the one before it. A version that the last
// one has holds for those that follow, too, until a comparison says that they have another one: so
// nothing has to be written when a generation is added, but what differs. Readers of one chain
// believe it; a generation that was not compared begins a new one.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "consumer/lookup/cache_memory.hpp"
#include "consumer/lookup/cached_dimension.hpp"
#include "consumer/lookup/lookup_table.hpp"
#include "consumer/lookup/seeded_hash.hpp"
#include "ipc/format/layout.hpp"
#include "strata/types.hpp"

namespace strata::consumer_impl {

class VersionTable {
public:
    /// `memory` outlives it. Throws std::bad_alloc.
    VersionTable(const SeededHash& hash, CacheMemory& memory);
    ~VersionTable();
    VersionTable(const VersionTable&) = delete;
    VersionTable& operator=(const VersionTable&) = delete;

    const LookupTable& newest() const noexcept { return *tables_.back().table; }
    std::uint64_t size() const noexcept { return size_; }

    /// So that one more version leaves the table half empty, and the generation can be counted.
    /// True: that took a new table. Readers of the views opened so far, `opened` in number, may go
    /// on searching the one before. Throws std::bad_alloc.
    bool make_room(Generation generation, std::uint64_t opened);
    /// Frees the tables that nobody searches any more: every view that was open when a newer one
    /// took their place is closed. `oldest_open`: number of the oldest one, more than any if none
    /// is.
    void free_superseded(std::uint64_t oldest_open) noexcept;
    /// Room was made for it, in its last generation.
    void insert(std::unique_ptr<CachedDimension> version) noexcept;
    /// The version that a record of this generation describes, if it is known; it holds for this
    /// generation, too, from then on.
    CachedDimension* match(Generation generation, const ipc::DimensionRecord& record) noexcept;

    /// The chain that is in use: what its readers pass to LookupTable::find.
    std::uint32_t chain() const noexcept { return chain_; }
    /// Its last generation; 0: there is none yet.
    Generation chain_last() const noexcept { return chain_last_; }
    /// A new one, of this generation so far.
    void begin_chain(Generation generation) noexcept;
    /// One more: it was compared with the last one, and what differs has ended.
    void extend_chain(Generation generation) noexcept { chain_last_ = generation; }
    /// The next generation shall begin a new one, so that what nobody asks for any more can go.
    void break_chain() noexcept { broken_ = true; }
    bool is_broken() const noexcept { return broken_; }
    /// The last generation of the chain has this version.
    void hold_on(CachedDimension& version) noexcept;
    /// The next generation of the chain has another version of the dimension, or none.
    void end(Dimension dimension) noexcept;
    /// A version of a chain that has ended gets an end: the later, the less is known of it.
    void settle_ended(LookupEntry& entry) noexcept;
    /// What the last generation of the chain has, if it is known.
    CachedDimension* held_on(Dimension dimension) const noexcept;
    /// No view of a later generation leads to the version: until then it has to stay.
    Generation kept_until(const CachedDimension& version) const noexcept;
    /// All generations from its first to this one have the version: their views pin its index.
    Generation holds_until(const CachedDimension& version) const noexcept;

    /// Its list is complete as far as it has been filled: others may find it.
    void publish_list(CachedDimension& version) noexcept;
    /// Takes the version of an entry out; nobody reads it.
    std::unique_ptr<CachedDimension> take_out(LookupEntry& entry) noexcept;

    /// visit(entry) for each version of the dimension, until it returns true. It may take it out.
    template <class Visit>
    void visit(Dimension dimension, Visit visit) const {
        LookupTable& table = *tables_.back().table;
        for (std::uint64_t at = table.home_of(dimension);; ++at) {
            LookupEntry& entry = table.at(at);
            if (entry.generations.load(std::memory_order_relaxed) == 0) {
                return;
            }
            if (entry.version.load(std::memory_order_relaxed) != nullptr &&
                static_cast<Dimension>(entry.tag.load(std::memory_order_relaxed)) == dimension &&
                visit(entry)) {
                return;
            }
        }
    }
    /// visit(entry) for each version. It may take it out.
    template <class Visit>
    void visit_all(Visit visit) const {
        for (std::uint64_t at = 0; at < tables_.back().table->capacity(); ++at) {
            LookupEntry& entry = tables_.back().table->at(at);
            if (entry.version.load(std::memory_order_relaxed) != nullptr) {
                visit(entry);
            }
        }
    }
    /// Each entry in turn, with a version or without: for a search that resumes where it ended.
    LookupEntry& next_entry() noexcept { return tables_.back().table->at(++last_visited_); }

private:
    struct Numbered {
        LookupTable::Pointer table;
        std::uint64_t opened = 0;  // views, when another one took its place
    };
    static constexpr std::uint64_t first_capacity = 16;

    static std::uint64_t generations_of(const LookupTable& table,
                                        const CachedDimension& version) noexcept;
    static void place(LookupTable& table, CachedDimension& version) noexcept;
    static void note(const LookupTable& table, LookupEntry& entry,
                     const CachedDimension& version) noexcept;
    void note(const CachedDimension& version) noexcept;
    void settle(LookupEntry& entry) noexcept;
    void add_table(Generation generation, std::uint64_t capacity);

    const SeededHash hash_;
    CacheMemory& memory_;
    std::vector<Numbered> tables_;  // the last one is in use
    std::uint64_t size_ = 0;
    std::uint64_t last_visited_ = 0;
    std::uint32_t chain_ = LookupEntry::endless;
    Generation chain_last_ = 0;
    Generation last_before_ = 0;  // of the chain before
    bool broken_ = false;
};

}  // namespace strata::consumer_impl
