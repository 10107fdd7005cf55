// SPDX-License-Identifier: Apache-2.0
#include "producer/memory/block_allocator.hpp"

#include <algorithm>
#include <utility>

#include "producer/memory/prefetch.hpp"

namespace strata::producer_impl {

namespace {

constexpr std::size_t span_bytes_ahead = 128;                 // of a Span and its infos
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
    if (span->free_blocks.contains(index)) {
        allocator_bug("a block that is free");
    }
    return {span, index};
}

std::uint64_t BlockAllocator::birth(std::uint64_t offset) const noexcept {
    const Place place = find_block(offset);
    return place.span->infos()[place.index].birth();
}

std::uint64_t BlockAllocator::block_bytes(std::uint64_t offset) const noexcept {
    return bytes_of(*find_block(offset).span);
}

void BlockAllocator::prefetch_facts(std::uint64_t offset) const noexcept {
    const std::uint64_t page = offset / page_bytes - pages_.base_page();  // huge if below the base
    if (page < spans_.size()) {
        const Span* const span = spans_.at(static_cast<std::size_t>(page));
        if (span != nullptr) {
            prefetch<Use::write>(span, span_bytes_ahead);
        }
    }
}

// Of each block in the span.
std::uint64_t BlockAllocator::bytes_of(const Span& span) noexcept {
    return span.is_run() ? span.pages * page_bytes : size_classes[span.size_class].block_bytes;
}

std::uint64_t BlockAllocator::rounded_large(std::uint64_t bytes, std::uint64_t alignment) noexcept {
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
    Span* span = classes_[index].current;
    if (span == nullptr) {
        span = refill(index);
        if (span == nullptr) {
            return std::nullopt;
        }
    }
    return take_block(index, *span, bytes, birth);
}

// The lowest, so that the highest ones drain. Chosen one allocation ahead and prefetched, because
// its bookkeeping is seldom in the cache.
Span* BlockAllocator::lowest_partial(std::size_t index) const noexcept {
    const HierarchicalBitmap& partial = classes_[index].partial;
    if (partial.empty()) {
        return nullptr;
    }
    Span* span = spans_.at(partial.lowest() << size_classes[index].slab_order);
    prefetch<Use::write>(span, 1);
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
    span->free_blocks = size_class.all_blocks;
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
    if (span->free_blocks.none()) {
        state.partial.insert(slab_number(*span));
    }
    span->free_blocks.insert(place.index);
    if (span->free_blocks == size_class.all_blocks) {
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
    return take_holes_in(page_run(*find_block(offset).span));
}

std::vector<Extent> BlockAllocator::take_holes_in(PageRun run) {
    std::vector<Extent> extents;
    for (const PageRun hole : pages_.holes_in(run)) {
        extents.push_back({hole.first * page_bytes, hole.count * page_bytes});
    }
    if (!extents.empty()) {
        pages_.unmark_holes(run);
    }
    return extents;
}

// ---- Keeping back

Extent BlockAllocator::keep_back(std::uint64_t most_bytes) noexcept {
    const std::uint64_t most = std::min(most_bytes / page_bytes, most_kept_pages - kept_.pages());
    const auto keep_longest = [&](auto find) -> Extent {
        for (std::uint64_t count = most; count > 0; --count) {
            if (const std::optional<std::uint64_t> page = find(count)) {
                pages_.claim({*page, count});
                kept_.runs[kept_.count++] = {*page, count};  // at most as many runs as pages
                return {*page * page_bytes, count * page_bytes};
            }
        }
        return {0, 0};
    };
    const auto committed = [&](std::uint64_t count) { return pages_.find_committed(count); };
    Extent kept = keep_longest(committed);
    if (kept.bytes == 0 && release_empty_slabs()) {
        kept = keep_longest(committed);
    }
    return kept.bytes != 0 ? kept
                           : keep_longest([&](std::uint64_t count) { return pages_.find(count); });
}

std::vector<Extent> BlockAllocator::take_kept_holes(Extent kept) {
    return take_holes_in({kept.offset / page_bytes, kept.bytes / page_bytes});
}

void BlockAllocator::release_last_kept() noexcept { pages_.release(kept_.runs[--kept_.count]); }

// Empty slabs may have holes, and would be used before what is released.
void BlockAllocator::release_kept() noexcept {
    release_empty_slabs();
    while (kept_.count > 0) {
        release_last_kept();
    }
}

}  // namespace strata::producer_impl
