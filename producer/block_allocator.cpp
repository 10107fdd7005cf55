// SPDX-License-Identifier: Apache-2.0
#include "producer/block_allocator.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace strata::producer_impl {

namespace {

constexpr std::uint64_t most_page_bytes = ~(page_bytes - 1);  // the largest multiple of a page

std::uint64_t checked_page(std::uint64_t offset) noexcept {
    if (offset % page_bytes != 0) {
        allocator_bug("an end of the region that is not on a page");
    }
    return offset / page_bytes;
}

void check_alignment(std::uint64_t alignment) noexcept {
    if (!is_valid_alignment(alignment)) {
        allocator_bug("an alignment that is not a power of two up to 4096");
    }
}

double share(std::uint64_t part, std::uint64_t whole) noexcept {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

void prefetch([[maybe_unused]] const void* address) noexcept {
#if defined(__GNUC__)
    __builtin_prefetch(address, 1);
#endif
}

}  // namespace

BlockAllocator::BlockAllocator(std::uint64_t begin, std::uint64_t end)
    : pages_(checked_page(begin), checked_page(end)) {
    spans_.resize(static_cast<std::size_t>(pages_.end_page() - pages_.base_page()));
}

void BlockAllocator::extend(std::uint64_t new_end) {
    const std::uint64_t end_page = checked_page(new_end);
    const std::size_t old_size = spans_.size();
    if (end_page < pages_.end_page() || rebuilding_) {
        allocator_bug("extend to a lower end, or in a rebuild");
    }
    if (end_page - pages_.base_page() <= PageRuns::max_pages) {  // else pages_ throws below
        spans_.resize(static_cast<std::size_t>(end_page - pages_.base_page()));
    }
    try {
        pages_.extend(end_page);
    } catch (...) {
        spans_.resize(old_size);
        throw;
    }
}

// ---- Places

std::size_t BlockAllocator::slab_number(const Span& span) const noexcept {
    return span.page >> size_classes[span.size_class].slab_order;
}

std::uint64_t BlockAllocator::offset_of(const Span& span) const noexcept {
    return (pages_.base_page() + span.page) * page_bytes;
}

PageRun BlockAllocator::page_run(const Span& span) const noexcept {
    return PageRun{pages_.base_page() + span.page, span.pages};
}

BlockAllocator::Place BlockAllocator::find_block(std::uint64_t offset) const noexcept {
    const std::uint64_t page = offset / page_bytes - pages_.base_page();  // huge if below the base
    Span* span = page < spans_.size() ? spans_.at(static_cast<std::size_t>(page)) : nullptr;
    if (span == nullptr) {
        allocator_bug("no block at this offset");
    }
    const std::uint64_t delta = offset - offset_of(*span);
    if (span->is_run()) {
        if (delta != 0) {
            allocator_bug("an offset inside a run");
        }
        return {span, 0};
    }
    const SizeClass& size_class = size_classes[span->size_class];
    const std::uint32_t index = size_class.block_index(delta);
    if (index >= size_class.blocks || std::uint64_t{index} * size_class.block_bytes != delta) {
        allocator_bug("an offset inside a block");
    }
    if ((span->free_blocks >> index & 1) != 0) {
        allocator_bug("a block that is free");
    }
    return {span, index};
}

std::uint64_t BlockAllocator::birth(std::uint64_t offset) const noexcept {
    return facts(offset).birth;
}

BlockFacts BlockAllocator::facts(std::uint64_t offset) const noexcept {
    const Place place = find_block(offset);
    const Span& span = *place.span;
    return {span.is_run() ? span.pages * page_bytes : size_classes[span.size_class].block_bytes,
            span.infos()[place.index].birth()};
}

std::uint64_t BlockAllocator::block_bytes(std::uint64_t offset) const noexcept {
    return facts(offset).bytes;
}

std::uint64_t BlockAllocator::rounded_bytes(std::uint64_t bytes, std::uint64_t alignment) noexcept {
    check_alignment(alignment);
    const std::size_t index = class_for(bytes, alignment);
    if (index < class_count) {
        return size_classes[index].block_bytes;
    }
    return bytes > most_page_bytes ? most_page_bytes : pages_for(bytes) * page_bytes;
}

// ---- Allocating

std::optional<std::uint64_t> BlockAllocator::allocate(std::uint64_t bytes, std::uint64_t birth,
                                                      std::uint64_t alignment) {
    check_alignment(alignment);
    if (birth >= BlockInfo::birth_limit) {
        allocator_bug("a birth of more than 48 bits");
    }
    const std::size_t index = class_for(bytes, alignment);
    if (index == class_count) {
        return allocate_run(bytes, birth);
    }
    ClassState& state = classes_[index];
    Span* span = state.current;
    if (span == nullptr) {
        span = refill(index);
        if (span == nullptr) {
            return std::nullopt;
        }
    }
    const SizeClass& size_class = size_classes[index];
    const int bit = std::countr_zero(span->free_blocks);
    span->free_blocks &= span->free_blocks - 1;
    if (span->free_blocks == 0) {
        state.partial.erase(slab_number(*span));
        state.current = lowest_partial(index);
    }
    span->infos()[bit] = BlockInfo{birth, size_class.block_bytes - bytes};
    ++state.used_blocks;
    requested_[pool_of_class[index]] += bytes;
    return offset_of(*span) + static_cast<std::uint64_t>(bit) * size_class.block_bytes;
}

// The lowest, so that the highest ones drain. Chosen one allocation ahead and prefetched, because
// its bookkeeping is seldom in the cache.
Span* BlockAllocator::lowest_partial(std::size_t index) const noexcept {
    const LowestSet& partial = classes_[index].partial;
    if (partial.empty()) {
        return nullptr;
    }
    Span* span = spans_.at(partial.lowest() << size_classes[index].slab_order);
    prefetch(span);
    return span;
}

// A slab when no allocation or free has chosen one: a partly used one, the empty one, or a new one;
// nullptr if there is no room.
Span* BlockAllocator::refill(std::size_t index) {
    if (rebuilding_) {
        allocator_bug("allocate in a rebuild");
    }
    ClassState& state = classes_[index];
    const SizeClass& size_class = size_classes[index];
    if (!state.partial.empty()) {
        state.current = lowest_partial(index);
        return state.current;
    }
    Span* span = std::exchange(state.empty, nullptr);
    if (span == nullptr) {
        std::optional<std::uint64_t> page = pages_.find_aligned(size_class.slab_order);
        if (!page && release_empty_slabs()) {
            page = pages_.find_aligned(size_class.slab_order);
        }
        if (!page) {
            return nullptr;
        }
        span = make_slab(index, *page);
    }
    state.partial.insert(slab_number(*span));
    state.current = span;
    return span;
}

Span* BlockAllocator::make_slab(std::size_t index, std::uint64_t page) {
    const SizeClass& size_class = size_classes[index];
    ClassState& state = classes_[index];
    state.partial.grow((spans_.size() >> size_class.slab_order) + 1);
    SpanPtr span =
        make_span(static_cast<std::uint32_t>(index), size_class.slab_pages, size_class.blocks);
    span->free_blocks = size_class.all_blocks();
    pages_.claim({page, size_class.slab_pages});
    ++state.slabs;
    return spans_.put(std::move(span), static_cast<std::uint32_t>(page - pages_.base_page()));
}

std::optional<std::uint64_t> BlockAllocator::allocate_run(std::uint64_t bytes,
                                                          std::uint64_t birth) {
    if (rebuilding_) {
        allocator_bug("allocate in a rebuild");
    }
    const std::uint64_t count = pages_for(bytes);
    std::optional<std::uint64_t> page = pages_.find(count);
    if (!page && release_empty_slabs()) {
        page = pages_.find(count);
    }
    if (!page) {
        return std::nullopt;
    }
    SpanPtr span = make_span(Span::run, static_cast<std::uint32_t>(count), 1);
    span->infos()[0] = BlockInfo{birth, count * page_bytes - bytes};
    pages_.claim({*page, count});
    spans_.put(std::move(span), static_cast<std::uint32_t>(*page - pages_.base_page()));
    count_run(count, bytes);
    return *page * page_bytes;
}

std::uint64_t BlockAllocator::extent_needed(std::uint64_t bytes, std::uint64_t alignment) const {
    check_alignment(alignment);
    const std::size_t index = class_for(bytes, alignment);
    std::uint64_t start = pages_.end_page() - pages_.free_at_end();
    std::uint64_t count = pages_for(bytes);
    if (index == class_count) {
        if (pages_.find(count)) {
            return 0;
        }
    } else {
        const ClassState& state = classes_[index];
        count = size_classes[index].slab_pages;
        if (!state.partial.empty() || state.empty != nullptr ||
            pages_.find_aligned(size_classes[index].slab_order)) {
            return 0;
        }
        start = (start + count - 1) & ~(count - 1);
    }
    const std::uint64_t most = most_page_bytes / page_bytes - pages_.end_page();
    const std::uint64_t grow = start + count - pages_.end_page();
    return (grow < most ? grow : most) * page_bytes;
}

// ---- Freeing

std::uint64_t BlockAllocator::free(std::uint64_t offset) noexcept {
    const Place place = find_block(offset);
    if (rebuilding_) {
        allocator_bug("free in a rebuild");
    }
    Span* span = place.span;
    if (span->is_run()) {
        return free_run(span);
    }
    const std::size_t index = span->size_class;
    const SizeClass& size_class = size_classes[index];
    ClassState& state = classes_[index];
    requested_[pool_of_class[index]] -= size_class.block_bytes - span->infos()[place.index].slack();
    --state.used_blocks;
    if (span->free_blocks == 0) {
        state.partial.insert(slab_number(*span));
    }
    span->free_blocks |= std::uint64_t{1} << place.index;
    if (span->free_blocks == size_class.all_blocks()) {
        slab_became_empty(index, span);
    }
    return size_class.block_bytes;
}

std::uint64_t BlockAllocator::free_run(Span* span) noexcept {
    const std::uint64_t bytes = span->pages * page_bytes;
    const std::size_t pool = pool_of_bytes(bytes);
    requested_[pool] -= bytes - span->infos()[0].slack();
    runs_[pool].bytes -= bytes;
    --runs_[pool].runs;
    pages_.release(page_run(*span));
    spans_.remove(span);
    return bytes;
}

void BlockAllocator::count_run(std::uint64_t pages, std::uint64_t requested) noexcept {
    const std::uint64_t bytes = pages * page_bytes;
    const std::size_t pool = pool_of_bytes(bytes);
    ++runs_[pool].runs;
    runs_[pool].bytes += bytes;
    requested_[pool] += requested;
}

// Keeps the lower of two empty slabs.
void BlockAllocator::slab_became_empty(std::size_t index, Span* span) noexcept {
    ClassState& state = classes_[index];
    state.partial.erase(slab_number(*span));
    if (state.current == span) {
        state.current = nullptr;
    }
    if (state.empty != nullptr && state.empty->page < span->page) {
        release_slab(state, span);
    } else {
        Span* other = std::exchange(state.empty, span);
        if (other != nullptr) {
            release_slab(state, other);
        }
    }
}

void BlockAllocator::release_slab(ClassState& state, Span* span) noexcept {
    --state.slabs;
    pages_.release(page_run(*span));
    spans_.remove(span);
}

bool BlockAllocator::release_empty_slabs() noexcept {
    bool any = false;
    for (ClassState& state : classes_) {
        if (Span* span = std::exchange(state.empty, nullptr)) {
            release_slab(state, span);
            any = true;
        }
    }
    return any;
}

// ---- Restart. Pages that are free in pages_, and blocks that are free in their slab, are those
// not adopted yet; `partial` stays empty, so nothing can be allocated.

BlockAllocator BlockAllocator::rebuilding(std::uint64_t begin, std::uint64_t end) {
    BlockAllocator allocator(begin, end);
    allocator.rebuilding_ = true;
    return allocator;
}

bool BlockAllocator::adopt(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment) {
    if (!rebuilding_) {
        allocator_bug("adopt outside a rebuild");
    }
    if (!is_valid_alignment(alignment) || offset < begin() || offset >= end()) {
        return false;
    }
    const std::size_t index = class_for(bytes, alignment);
    return index == class_count ? adopt_run(offset, bytes) : adopt_in_slab(index, offset, bytes);
}

bool BlockAllocator::adopt_in_slab(std::size_t index, std::uint64_t offset, std::uint64_t bytes) {
    const SizeClass& size_class = size_classes[index];
    const std::uint64_t slab = offset & ~(size_class.slab_bytes() - 1);
    const std::uint32_t block = size_class.block_index(offset - slab);
    if (block >= size_class.blocks ||
        std::uint64_t{block} * size_class.block_bytes != offset - slab) {
        return false;
    }
    // The slab may start below begin, but not below the base, which is aligned for every slab.
    Span* span = spans_.at(static_cast<std::size_t>(slab / page_bytes - pages_.base_page()));
    if (span == nullptr) {
        const PageRun pages{slab / page_bytes, size_class.slab_pages};
        if (!pages_.all_free(pages)) {
            return false;
        }
        span = make_slab(index, pages.first);
    } else if (span->size_class != index) {
        return false;
    }
    const std::uint64_t bit = std::uint64_t{1} << block;
    if ((span->free_blocks & bit) == 0) {
        return false;
    }
    span->free_blocks &= ~bit;
    span->infos()[block] = BlockInfo{0, size_class.block_bytes - bytes};
    ++classes_[index].used_blocks;
    requested_[pool_of_class[index]] += bytes;
    return true;
}

bool BlockAllocator::adopt_run(std::uint64_t offset, std::uint64_t bytes) {
    const PageRun run{offset / page_bytes, pages_for(bytes)};
    if (offset % page_bytes != 0 || !pages_.all_free(run)) {
        return false;
    }
    SpanPtr span = make_span(Span::run, static_cast<std::uint32_t>(run.count), 1);
    span->infos()[0] = BlockInfo{0, run.count * page_bytes - bytes};
    pages_.claim(run);
    spans_.put(std::move(span), static_cast<std::uint32_t>(run.first - pages_.base_page()));
    count_run(run.count, bytes);
    return true;
}

std::vector<std::uint64_t> BlockAllocator::finish_rebuild() {
    if (!rebuilding_) {
        allocator_bug("finish_rebuild outside a rebuild");
    }
    // Everything that can fail comes first.
    const std::vector<PageRun> gaps = pages_.free_runs();
    std::uint64_t count = gaps.size();
    for (std::size_t i = 0; i < class_count; ++i) {
        count += classes_[i].slabs * size_classes[i].blocks - classes_[i].used_blocks;
    }
    std::vector<std::uint64_t> offsets;
    offsets.reserve(static_cast<std::size_t>(count));
    std::vector<SpanPtr> runs;
    runs.reserve(gaps.size());
    for (const PageRun gap : gaps) {
        runs.push_back(make_span(Span::run, static_cast<std::uint32_t>(gap.count), 1));
    }

    for (std::size_t page = 0; page < spans_.size(); ++page) {
        Span* span = spans_.at(page);
        if (span == nullptr) {
            continue;
        }
        page += span->pages - 1;
        if (span->is_run()) {
            continue;
        }
        const SizeClass& size_class = size_classes[span->size_class];
        for (; span->free_blocks != 0; span->free_blocks &= span->free_blocks - 1) {
            const auto block = static_cast<std::uint64_t>(std::countr_zero(span->free_blocks));
            offsets.push_back(offset_of(*span) + block * size_class.block_bytes);
            span->infos()[block] = BlockInfo{0, 0};
            ++classes_[span->size_class].used_blocks;
            requested_[pool_of_class[span->size_class]] += size_class.block_bytes;
        }
    }
    for (std::size_t i = 0; i < gaps.size(); ++i) {
        offsets.push_back(gaps[i].first * page_bytes);
        pages_.claim(gaps[i]);
        spans_.put(std::move(runs[i]),
                   static_cast<std::uint32_t>(gaps[i].first - pages_.base_page()));
        count_run(gaps[i].count, gaps[i].count * page_bytes);
    }
    rebuilding_ = false;
    return offsets;
}

// ---- Trimming

std::vector<Extent> BlockAllocator::free_runs(std::uint64_t min_bytes) {
    release_empty_slabs();
    std::vector<Extent> extents;
    for (const PageRun run : pages_.committed_free_runs(pages_for(min_bytes))) {
        extents.push_back({run.first * page_bytes, run.count * page_bytes});
    }
    return extents;
}

void BlockAllocator::mark_hole(Extent extent) {
    const PageRun run{checked_page(extent.offset), checked_page(extent.bytes)};
    if (!pages_.in_range(run)) {
        allocator_bug("a hole outside the region");
    }
    pages_.mark_holes(run);
}

void BlockAllocator::unmark_hole(Extent extent) noexcept {
    pages_.unmark_holes({checked_page(extent.offset), checked_page(extent.bytes)});
}

std::vector<Extent> BlockAllocator::take_holes(std::uint64_t offset) {
    std::vector<Extent> extents;
    const PageRun run = page_run(*find_block(offset).span);
    if (pages_.hole_pages() == 0) {
        return extents;
    }
    for (const PageRun hole : pages_.holes_in(run)) {
        extents.push_back({hole.first * page_bytes, hole.count * page_bytes});
    }
    if (!extents.empty()) {
        pages_.unmark_holes(run);
    }
    return extents;
}

// ---- Looking at it

double AllocatorStats::slab_waste() const noexcept {
    return share(slab_bytes - (used_bytes - run_bytes), slab_bytes);
}

double AllocatorStats::scatter() const noexcept {
    return share(free_bytes - largest_free_bytes, free_bytes);
}

AllocatorStats BlockAllocator::stats() const {
    AllocatorStats stats;
    stats.managed_bytes = end() - begin();
    for (std::size_t pool = 0; pool < pool_count; ++pool) {
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
        PoolStats& pool = stats.pools[pool_of_class[i]];
        pool.used_blocks += state.used_blocks;
        pool.used_bytes += state.used_blocks * size_class.block_bytes;
        pool.free_blocks += blocks - state.used_blocks;
        pool.slab_bytes += state.slabs * size_class.slab_bytes();
    }
    for (const PoolStats& pool : stats.pools) {
        stats.used_blocks += pool.used_blocks;
        stats.used_bytes += pool.used_bytes;
        stats.slab_bytes += pool.slab_bytes;
    }
    for (const PageRun run : pages_.free_runs()) {
        for (std::size_t pool = 0; pool < pool_count; ++pool) {
            if (pool_limits[pool] != 0) {
                stats.pools[pool].available_blocks += run.count * page_bytes / pool_limits[pool];
            }
        }
    }
    stats.free_runs = pages_.free_run_count();
    stats.free_bytes = pages_.free_pages() * page_bytes;
    stats.largest_free_bytes = pages_.longest() * page_bytes;
    stats.hole_bytes = pages_.hole_pages() * page_bytes;
    return stats;
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
        (span.free_blocks & ~size_class.all_blocks()) != 0) {
        return false;
    }
    for (std::uint32_t i = 0; i < span.pages; ++i) {
        if (spans_.at(span.page + i) != &span) {
            return false;
        }
    }
    const bool is_full = span.free_blocks == 0;
    const bool is_empty = span.free_blocks == size_class.all_blocks();
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
            if (!pages_.all_free({pages_.base_page() + page, 1})) {
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
            if ((span->free_blocks >> i & 1) == 0) {
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
