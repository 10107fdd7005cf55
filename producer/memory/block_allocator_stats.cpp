// SPDX-License-Identifier: Apache-2.0
// What a block allocator tells of itself, and its self-check.
#include <algorithm>

#include "producer/memory/block_allocator.hpp"

namespace strata::producer_impl {

MemoryStatistics BlockAllocator::statistics() const {
    MemoryStatistics stats;
    stats.classes.resize(class_count);
    stats.managed_bytes = end() - begin();
    for (std::size_t pool = 0; pool < pool_count; ++pool) {
        stats.pools[pool].block_bytes = pool_limits[pool];
        stats.pools[pool].used_blocks = runs_[pool].runs;
        stats.pools[pool].used_bytes = runs_[pool].bytes;
        stats.pools[pool].requested_bytes = requested_[pool];
        stats.runs += runs_[pool].runs;
        stats.run_bytes += runs_[pool].bytes;
        stats.requested_bytes += requested_[pool];
    }
    for (std::size_t i = 0; i < class_count; ++i) {
        const ClassState& state = classes_[i];
        const SizeClass& size_class = size_classes[i];
        const std::uint64_t blocks = state.slabs * size_class.blocks;
        stats.classes[i] = {size_class.block_bytes, state.used_blocks, blocks - state.used_blocks,
                            state.slabs};
        PoolStatistics& pool = stats.pools[pool_of_class[i]];
        pool.used_blocks += state.used_blocks;
        pool.used_bytes += state.used_blocks * size_class.block_bytes;
        pool.free_blocks += blocks - state.used_blocks;
        pool.slab_bytes += state.slabs * size_class.slab_bytes();
    }
    for (const PoolStatistics& pool : stats.pools) {
        stats.used_blocks += pool.used_blocks;
        stats.used_bytes += pool.used_bytes;
        stats.slab_bytes += pool.slab_bytes;
    }
    for (const PageRun run : free_or_kept_runs()) {
        stats.largest_free_bytes = std::max(stats.largest_free_bytes, run.count * page_bytes);
        ++stats.free_runs;
        for (std::size_t pool = 0; pool < pool_count; ++pool) {
            if (pool_limits[pool] != 0) {
                stats.pools[pool].available_blocks += run.count * page_bytes / pool_limits[pool];
            }
        }
    }
    stats.free_bytes = pages_.free_pages() * page_bytes + kept_bytes();
    stats.hole_bytes = pages_.hole_pages() * page_bytes;
    return stats;
}

// What is kept back counts as free: it is there for the last blocks.
std::vector<PageRun> BlockAllocator::free_or_kept_runs() const {
    std::vector<PageRun> runs = pages_.free_runs();
    runs.insert(runs.end(), kept_.runs.begin(), kept_.runs.begin() + kept_.count);
    std::ranges::sort(runs, {}, &PageRun::first);
    std::vector<PageRun> joined;
    for (const PageRun run : runs) {
        if (!joined.empty() && joined.back().first + joined.back().count == run.first) {
            joined.back().count += run.count;
        } else {
            joined.push_back(run);
        }
    }
    return joined;
}

std::uint64_t BlockAllocator::used_blocks() const noexcept {
    std::uint64_t blocks = 0;
    for (const RunCount& count : runs_) {
        blocks += count.runs;
    }
    for (const ClassState& state : classes_) {
        blocks += state.used_blocks;
    }
    return blocks;
}

bool BlockAllocator::valid_span(const Span& span) const {
    if (span.pages == 0 || !pages_.none_free(page_run(span))) {
        return false;
    }
    if (span.is_run()) {
        for (std::uint32_t i = 1; i < span.pages; ++i) {
            if (spans_.at(span.page + i) != nullptr) {
                return false;
            }
        }
        return span.block_count == 1 && span.infos()[0].slack() <= page_bytes;
    }
    const SizeClass& size_class = size_classes[span.size_class];
    const ClassState& state = classes_[span.size_class];
    if (span.pages != size_class.slab_pages || span.page % span.pages != 0 ||
        span.block_count != size_class.blocks ||
        !span.free_blocks.is_subset_of(size_class.all_blocks)) {
        return false;
    }
    for (std::uint32_t i = 0; i < span.pages; ++i) {
        if (spans_.at(span.page + i) != &span) {
            return false;
        }
    }
    const bool is_full = span.free_blocks.none();
    const bool is_empty = span.free_blocks == size_class.all_blocks;
    const bool listed = state.partial.contains(slab_number(span));
    if (rebuilding_) {
        return !listed && !is_empty;
    }
    return listed == (!is_full && !is_empty) && (state.empty == &span) == is_empty &&
           (state.current != &span || listed);
}

bool BlockAllocator::valid() const {
    if (!pages_.valid() || spans_.size() != pages_.end_page() - pages_.base_page()) {
        return false;
    }
    struct Counts {
        std::uint64_t slabs = 0;
        std::uint64_t used = 0;
        std::uint64_t partial = 0;
    };
    std::array<Counts, class_count> counts{};
    std::array<RunCount, pool_count> runs{};
    std::array<std::uint64_t, pool_count> requested{};
    std::size_t page = static_cast<std::size_t>(pages_.first_page() - pages_.base_page());
    while (page < spans_.size()) {
        const Span* span = spans_.at(page);
        if (span == nullptr) {
            const std::uint64_t absolute = pages_.base_page() + page;
            if (pages_.all_free({absolute, 1}) == kept_.contain(absolute)) {
                return false;
            }
            ++page;
            continue;
        }
        if (span->page != page || !valid_span(*span)) {
            return false;
        }
        page += span->pages;
        if (span->is_run()) {
            const std::uint64_t bytes = span->pages * page_bytes;
            RunCount& count = runs[pool_of_bytes(bytes)];
            ++count.runs;
            count.bytes += bytes;
            requested[pool_of_bytes(bytes)] += bytes - span->infos()[0].slack();
            continue;
        }
        const SizeClass& size_class = size_classes[span->size_class];
        Counts& count = counts[span->size_class];
        ++count.slabs;
        count.partial += classes_[span->size_class].partial.contains(slab_number(*span)) ? 1U : 0U;
        for (std::uint32_t i = 0; i < size_class.blocks; ++i) {
            if (!span->free_blocks.contains(i)) {
                ++count.used;
                requested[pool_of_class[span->size_class]] +=
                    size_class.block_bytes - span->infos()[i].slack();
            }
        }
    }
    for (std::size_t i = 0; i < class_count; ++i) {
        const ClassState& state = classes_[i];
        if (counts[i].slabs != state.slabs || counts[i].used != state.used_blocks ||
            counts[i].partial != state.partial.count() || !state.partial.valid()) {
            return false;
        }
    }
    return std::equal(runs.begin(), runs.end(), runs_.begin(),
                      [](const RunCount& a, const RunCount& b) {
                          return a.runs == b.runs && a.bytes == b.bytes;
                      }) &&
           requested == requested_;
}

}  // namespace strata::producer_impl
