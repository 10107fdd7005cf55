// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "producer/lowest_set.hpp"
#include "producer/page_runs.hpp"
#include "producer/size_classes.hpp"
#include "producer/span_map.hpp"

namespace strata::producer_impl {

struct Extent {
    std::uint64_t offset;
    std::uint64_t bytes;
};

struct ClassStats {
    std::uint64_t block_bytes = 0;
    std::uint64_t used_blocks = 0;
    std::uint64_t free_blocks = 0;
    std::uint64_t slabs = 0;
};

// Blocks by size, whatever they lie in: see pool_limits.
struct PoolStats {
    std::uint64_t used_blocks = 0;
    std::uint64_t used_bytes = 0;
    std::uint64_t requested_bytes = 0;
    std::uint64_t slab_bytes = 0;
    std::uint64_t free_blocks = 0;       // in slabs
    std::uint64_t available_blocks = 0;  // of the pool's limit, in free pages
};

struct AllocatorStats {
    std::array<ClassStats, class_count> classes{};
    std::array<PoolStats, pool_count> pools{};
    std::uint64_t managed_bytes = 0;    // end - begin
    std::uint64_t used_blocks = 0;      // small blocks and runs
    std::uint64_t used_bytes = 0;       // rounded sizes of all allocated blocks
    std::uint64_t requested_bytes = 0;  // what the callers asked for
    std::uint64_t slab_bytes = 0;       // all slabs: used and free blocks and unused tails
    std::uint64_t runs = 0;             // blocks that are runs of pages
    std::uint64_t run_bytes = 0;
    std::uint64_t free_runs = 0;
    std::uint64_t free_bytes = 0;  // whole free pages, holes included
    std::uint64_t largest_free_bytes = 0;
    std::uint64_t hole_bytes = 0;  // managed but not committed

    // Share of the slabs' bytes that no block uses: lost to other sizes until the slabs empty.
    double slab_waste() const noexcept;
    // Share of the free pages' bytes that lies outside the largest free run.
    double scatter() const noexcept;
};

// Hands out byte offsets in [begin, end) of one region file. All state is in private memory; the
// mapped bytes are never touched. Small blocks come from slabs of one class, lowest slab first,
// so that the high ones drain; big ones are runs of whole pages, placed where they fit best.
// Not thread-safe. A std::bad_alloc from any function leaves the allocator as it was.
class BlockAllocator {
public:
    // All of [begin, end) is free and committed. Both are multiples of page_bytes.
    BlockAllocator(std::uint64_t begin, std::uint64_t end);

    // The owner committed more pages: end moves up to a multiple of page_bytes.
    // Throws std::length_error beyond 8 TiB.
    void extend(std::uint64_t new_end);
    std::uint64_t begin() const noexcept { return pages_.first_page() * page_bytes; }
    std::uint64_t end() const noexcept { return pages_.end_page() * page_bytes; }

    // nullopt: nothing free fits; extend by extent_needed() and try again.
    // The alignment is a power of two up to 4096; zero bytes count as one; birth < 2^48.
    std::optional<std::uint64_t> allocate(std::uint64_t bytes, std::uint64_t birth,
                                          std::uint64_t alignment = block_unit);
    // How far end must move up for this allocate() to succeed; 0 if it would now. Never so far that
    // end() + the result overflows.
    std::uint64_t extent_needed(std::uint64_t bytes, std::uint64_t alignment = block_unit) const;
    // Returns the bytes given back (the rounded size). Does not allocate memory.
    std::uint64_t free(std::uint64_t offset) noexcept;

    // Of an allocated block; anything else is a bug and aborts, here and in free().
    std::uint64_t birth(std::uint64_t offset) const noexcept;
    std::uint64_t block_bytes(std::uint64_t offset) const noexcept;
    // Both with one look-up. (By reference: a pair in two registers goes through the stack.)
    void read_facts(std::uint64_t offset, std::uint64_t& bytes,
                    std::uint64_t& birth) const noexcept;
    // Brings what free() and read_facts() will need into the cache. Any offset will do.
    void prefetch_facts(std::uint64_t offset) const noexcept;
    // What allocate() really uses for a request: block size of the class, or whole pages.
    static std::uint64_t rounded_bytes(std::uint64_t bytes,
                                       std::uint64_t alignment = block_unit) noexcept;

    // Restart: nothing is free until finish_rebuild(); only adopt() may be called before it.
    static BlockAllocator rebuilding(std::uint64_t begin, std::uint64_t end);
    // Marks a reachable block, by the bytes and alignment it was allocated with. Its birth is 0.
    // false: no allocator can have handed it out beside the ones adopted so far (a damaged store).
    bool adopt(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment = block_unit);
    // Everything not adopted becomes allocated blocks of birth 0: the other blocks of adopted
    // slabs, and each gap between spans as one run. Returns their offsets, to be freed when it is
    // safe.
    std::vector<std::uint64_t> finish_rebuild();

    // Committed free page runs of at least min_bytes, lowest first, for the caller to punch out and
    // then mark_hole(). Gives up cached empty slabs first.
    std::vector<Extent> free_runs(std::uint64_t min_bytes);
    // These pages are not committed: avoided while committed ones fit.
    void mark_hole(Extent extent);
    void unmark_hole(Extent extent) noexcept;
    bool has_holes() const noexcept { return pages_.hole_pages() != 0; }
    // After allocate(), if has_holes(): the holes among the pages of this block (of its whole
    // slab), which count as committed from now on. If that fails, mark_hole() them again, then
    // free().
    std::vector<Extent> take_holes(std::uint64_t offset);

    AllocatorStats stats() const;
    bool valid() const;  // full self-check, slow

private:
    struct ClassState {
        Span* current = nullptr;  // where blocks come from: a partly used slab, or none
        Span* empty = nullptr;    // one empty slab kept back, so that a lone block is cheap
        LowestSet partial;        // partly used slabs, by slab number
        std::uint64_t used_blocks = 0;
        std::uint64_t slabs = 0;
    };
    struct Place {
        Span* span;
        std::uint32_t index;
    };

    std::size_t slab_number(const Span& span) const noexcept;
    std::uint64_t offset_of(const Span& span) const noexcept;
    Place find_block(std::uint64_t offset) const noexcept;
    static std::uint64_t bytes_of(const Span& span) noexcept;
    Span* lowest_partial(std::size_t index) const noexcept;
    Span* refill(std::size_t index);
    Span* make_slab(std::size_t index, std::uint64_t page);
    std::optional<std::uint64_t> allocate_run(std::uint64_t bytes, std::uint64_t birth);
    std::uint64_t free_run(Span* span) noexcept;
    void count_run(std::uint64_t pages, std::uint64_t requested) noexcept;
    void slab_became_empty(std::size_t index, Span* span) noexcept;
    void release_slab(ClassState& state, Span* span) noexcept;
    bool release_empty_slabs() noexcept;
    PageRun page_run(const Span& span) const noexcept;
    bool adopt_in_slab(std::size_t index, std::uint64_t offset, std::uint64_t bytes);
    bool adopt_run(std::uint64_t offset, std::uint64_t bytes);
    bool valid_span(const Span& span) const;

    PageRuns pages_;
    SpanMap spans_;
    std::array<ClassState, class_count> classes_;
    struct RunCount {
        std::uint64_t runs = 0;
        std::uint64_t bytes = 0;
    };
    std::array<RunCount, pool_count> runs_{};
    std::array<std::uint64_t, pool_count> requested_{};
    bool rebuilding_ = false;
};

}  // namespace strata::producer_impl
