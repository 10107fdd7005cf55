// SPDX-License-Identifier: Apache-2.0
// Restart: the allocator's state is rebuilt from what is reachable. Pages that are free in pages_,
// and blocks that are free in their slab, are those not adopted yet; `partial` stays empty, so
// nothing can be allocated.
#include <utility>

#include "producer/memory/block_allocator.hpp"

namespace strata::producer_impl {

BlockAllocator BlockAllocator::rebuilding(std::uint64_t begin, std::uint64_t end) {
    BlockAllocator allocator(begin, end);
    allocator.rebuilding_ = true;
    return allocator;
}

bool BlockAllocator::adopt(std::uint64_t offset, std::uint64_t bytes, std::uint64_t alignment,
                           std::uint64_t birth) {
    if (!rebuilding_) {
        allocator_bug("adopt outside a rebuild");
    }
    if (!is_valid_alignment(alignment) || offset < begin() || offset >= end()) {
        return false;
    }
    const std::size_t index = class_for(bytes, alignment);
    return index == class_count ? adopt_run(offset, bytes, birth)
                                : adopt_in_slab(index, offset, bytes, birth);
}

bool BlockAllocator::is_adopted(std::uint64_t offset, std::uint64_t bytes,
                                std::uint64_t alignment) const noexcept {
    if (!is_valid_alignment(alignment) || offset < begin() || offset >= end()) {
        return false;
    }
    const std::size_t index = class_for(bytes, alignment);
    if (index == class_count) {
        const Span* span =
            spans_.at(static_cast<std::size_t>(offset / page_bytes - pages_.base_page()));
        return span != nullptr && span->is_run() && offset_of(*span) == offset &&
               span->pages == pages_for(bytes);
    }
    const SizeClass& size_class = size_classes[index];
    const std::uint64_t slab = offset & ~(size_class.slab_bytes() - 1);
    const Span* span = spans_.at(static_cast<std::size_t>(slab / page_bytes - pages_.base_page()));
    const std::uint32_t block = size_class.block_index(offset - slab);
    return span != nullptr && span->size_class == index && block < size_class.blocks &&
           std::uint64_t{block} * size_class.block_bytes == offset - slab &&
           !span->free_blocks.contains(block);
}

bool BlockAllocator::adopt_in_slab(std::size_t index, std::uint64_t offset, std::uint64_t bytes,
                                   std::uint64_t birth) {
    const SizeClass& size_class = size_classes[index];
    const std::uint64_t slab = offset & ~(size_class.slab_bytes() - 1);
    const std::uint32_t block = size_class.block_index(offset - slab);
    if (block >= size_class.blocks ||
        std::uint64_t{block} * size_class.block_bytes != offset - slab) {
        return false;
    }
    // The slab may start below `begin`, but not below the base, which is aligned for every slab.
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
    if (!span->free_blocks.contains(block)) {
        return false;
    }
    span->free_blocks.erase(block);
    span->infos()[block] = BlockInfo{birth, size_class.block_bytes - bytes};
    ++classes_[index].used_blocks;
    requested_[pool_of_class[index]] += bytes;
    return true;
}

bool BlockAllocator::adopt_run(std::uint64_t offset, std::uint64_t bytes, std::uint64_t birth) {
    const PageRun run{offset / page_bytes, pages_for(bytes)};
    if (offset % page_bytes != 0 || !pages_.all_free(run)) {
        return false;
    }
    SpanPtr span = make_span(Span::run, static_cast<std::uint32_t>(run.count), 1);
    span->infos()[0] = BlockInfo{birth, run.count * page_bytes - bytes};
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
        while (!span->free_blocks.none()) {
            const std::uint32_t block = span->free_blocks.take_first();
            offsets.push_back(offset_of(*span) + std::uint64_t{block} * size_class.block_bytes);
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

}  // namespace strata::producer_impl
