// SPDX-License-Identifier: Apache-2.0
// Allocates the blocks of one region: small ones from slabs of equal size, large ones as runs of
// pages. It keeps its books on the heap, never in the region.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "producer/memory/hierarchical_bitmap.hpp"
#include "producer/memory/page_map.hpp"
#include "producer/memory/page_runs.hpp"
#include "producer/memory/size_classes.hpp"
#include "strata/statistics.hpp"

namespace strata::producer_impl {

struct Extent {
    std::uint64_t offset;
    std::uint64_t bytes;
};

// Hands out byte offsets in [begin, end) of one region file. All state is in private memory; the
// mapped bytes are never touched. Small blocks come from slabs of one class, lowest slab first, so
// that the high ones drain; big ones are runs of whole pages, placed where they fit best. Not
// thread-safe. A std::bad_alloc from any function leaves the allocator unchanged.
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
    // The common case of allocate(), for alignments up to block_unit: a block in a slab that is
    // partly used, which never has holes. 0: it takes allocate(); nothing has changed.
    std::uint64_t allocate_in_partial(std::uint64_t bytes, std::uint64_t birth) noexcept {
        if (bytes > largest_class_bytes) {
            return 0;
        }
        const std::size_t index = class_by_units[(bytes + block_unit - 1) / block_unit];
        Span* const span = classes_[index].current;
        return span != nullptr ? take_block(index, *span, bytes, birth) : 0;
    }
    // How far end must move up for this allocate() to succeed; 0 if it would now. Never so far that
    // end() + the result overflows.
    std::uint64_t extent_needed(std::uint64_t bytes, std::uint64_t alignment = block_unit) const;
    // Returns the bytes given back (the rounded size). Does not allocate memory.
    std::uint64_t free(std::uint64_t offset) noexcept;

    // Of an allocated block; anything else is a bug and aborts, here and in free().
    std::uint64_t birth(std::uint64_t offset) const noexcept;
    std::uint64_t block_bytes(std::uint64_t offset) const noexcept;
    // The same of a block that the caller knows to be allocated: by its page alone, without a look
    // at what is kept of the block, which is seldom in the cache.
    std::uint64_t known_block_bytes(std::uint64_t offset) const noexcept {
        const std::uint64_t page = offset / page_bytes - pages_.base_page();  // huge if below it
        const std::uint8_t index =
            page < spans_.size() ? spans_.class_at(static_cast<std::size_t>(page)) : no_class;
        return index != no_class ? size_classes[index].block_bytes : block_bytes(offset);
    }
    // Brings what free() will need into the cache. Any offset will do.
    void prefetch_facts(std::uint64_t offset) const noexcept;
    // What allocate() really uses for a request: block size of the class, or whole pages.
    static std::uint64_t rounded_bytes(std::uint64_t bytes,
                                       std::uint64_t alignment = block_unit) noexcept {
        return is_small_alignment(alignment) && bytes <= largest_class_bytes
                   ? size_classes[class_for(bytes, alignment)].block_bytes
                   : rounded_large(bytes, alignment);
    }

    // Restart: nothing is free until finish_rebuild(); only adopt() may be called before it.
    static BlockAllocator rebuilding(std::uint64_t begin, std::uint64_t end);
    // Marks a reachable block, by the bytes and alignment it was allocated with.
    // false: no allocator can have handed it out beside the ones adopted so far (a damaged store).
    bool adopt(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment = block_unit,
               std::uint64_t birth = 0);
    // Whether just this block was adopted before.
    bool is_adopted(std::uint64_t offset, std::uint64_t bytes,
                    std::uint64_t alignment = block_unit) const noexcept;
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

    // Keeps free pages back, up to `most_kept_pages` in all: they belong to no block, and nothing
    // is allocated in them until they are released. Longer runs first; committed pages if there are
    // any, else holes, which the caller has to take and commit. Empty if no page is free.
    static constexpr std::uint64_t most_kept_pages = 8;
    Extent keep_back(std::uint64_t most_bytes) noexcept;
    std::uint64_t kept_bytes() const noexcept { return kept_.pages() * page_bytes; }
    // Of what keep_back() has just returned; as for take_holes().
    std::vector<Extent> take_kept_holes(Extent kept);
    // Frees what was kept back last, or all of it, and with it cached empty slabs.
    void release_last_kept() noexcept;
    void release_kept() noexcept;

    // Of this file; what a commit or a file adds (times, committed bytes) is left at 0.
    MemoryStatistics statistics() const;
    std::uint64_t used_blocks() const noexcept;  // small blocks and runs
    bool valid() const;                          // full self-check, slow

private:
    struct ClassState {
        Span* current = nullptr;     // where blocks come from: a partly used slab, or none
        Span* empty = nullptr;       // one empty slab kept back, so that a lone block is cheap
        HierarchicalBitmap partial;  // partly used slabs, by slab number
        std::uint64_t used_blocks = 0;
        std::uint64_t slabs = 0;
    };
    struct Place {
        Span* span;
        std::uint32_t index;
    };

    static constexpr std::uint8_t no_class = PageMap::no_class;

    std::size_t slab_number(const Span& span) const noexcept {
        return span.page >> size_classes[span.size_class].slab_order;
    }
    std::uint64_t offset_of(const Span& span) const noexcept {
        return (pages_.base_page() + span.page) * page_bytes;
    }
    // From a slab of the class that has a free one.
    std::uint64_t take_block(std::size_t index, Span& span, std::uint64_t bytes,
                             std::uint64_t birth) noexcept {
        const SizeClass& size_class = size_classes[index];
        ClassState& state = classes_[index];
        const std::uint32_t block = span.free_blocks.take_first();
        if (span.free_blocks.none()) {
            state.partial.erase(slab_number(span));
            state.current = lowest_partial(index);
        }
        span.infos()[block] = BlockInfo{birth, size_class.block_bytes - bytes};
        ++state.used_blocks;
        requested_[pool_of_class[index]] += bytes;
        return offset_of(span) + std::uint64_t{block} * size_class.block_bytes;
    }
    Place find_block(std::uint64_t offset) const noexcept;
    static std::uint64_t bytes_of(const Span& span) noexcept;
    static std::uint64_t rounded_large(std::uint64_t bytes, std::uint64_t alignment) noexcept;
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
    std::vector<Extent> take_holes_in(PageRun run);
    std::vector<PageRun> free_or_kept_runs() const;
    bool adopt_in_slab(std::size_t index, std::uint64_t offset, std::uint64_t bytes,
                       std::uint64_t birth);
    bool adopt_run(std::uint64_t offset, std::uint64_t bytes, std::uint64_t birth);
    bool valid_span(const Span& span) const;

    // The runs of pages that are kept back.
    struct Kept {
        std::array<PageRun, most_kept_pages> runs{};
        std::size_t count = 0;

        std::uint64_t pages() const noexcept {
            std::uint64_t sum = 0;
            for (std::size_t i = 0; i < count; ++i) {
                sum += runs[i].count;
            }
            return sum;
        }
        bool contain(std::uint64_t page) const noexcept {
            return std::any_of(runs.begin(), runs.begin() + count, [&](const PageRun& run) {
                return page >= run.first && page - run.first < run.count;
            });
        }
    };

    PageRuns pages_;
    PageMap spans_;
    Kept kept_;
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
