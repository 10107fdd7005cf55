// SPDX-License-Identifier: Apache-2.0
// From a page to the slab or run that it belongs to, with what the allocator knows of its blocks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "producer/memory/free_blocks.hpp"

namespace strata::producer_impl {

// What the allocator remembers of one block, in one word: there are millions of blocks.
class BlockInfo {
public:
    static constexpr unsigned slack_bits = 16;
    static constexpr std::uint64_t birth_limit = std::uint64_t{1} << (64 - slack_bits);

    BlockInfo() = default;
    // Slack is rounded minus requested bytes, at most the largest class.
    BlockInfo(std::uint64_t birth, std::uint64_t slack) noexcept
        : word_(birth << slack_bits | slack) {}

    std::uint64_t birth() const noexcept { return word_ >> slack_bits; }
    std::uint64_t slack() const noexcept { return word_ & ((std::uint64_t{1} << slack_bits) - 1); }

private:
    std::uint64_t word_ = 0;
};

// Pages that belong together: a slab of equal blocks, or a run that is one block. The infos of its
// blocks follow the struct in the same heap object, so that one cache miss finds both.
struct Span {
    static constexpr std::uint32_t run = ~std::uint32_t{0};

    FreeBlocks free_blocks;  // of a slab
    std::uint32_t page;      // first page, counted from the map's base
    std::uint32_t pages;
    std::uint32_t size_class;  // or `run`
    std::uint32_t block_count;

    bool is_run() const noexcept { return size_class == run; }

    // Safe: make_span() constructed block_count infos right behind this object.
    BlockInfo* infos() noexcept { return std::launder(reinterpret_cast<BlockInfo*>(this + 1)); }
    const BlockInfo* infos() const noexcept {
        return std::launder(reinterpret_cast<const BlockInfo*>(this + 1));
    }
};
static_assert(sizeof(Span) % alignof(BlockInfo) == 0);

struct SpanDeleter {
    void operator()(Span* span) const noexcept { ::operator delete(span); }
};
using SpanPtr = std::unique_ptr<Span, SpanDeleter>;

inline SpanPtr make_span(std::uint32_t size_class, std::uint32_t pages, std::uint32_t block_count) {
    auto* memory = static_cast<std::byte*>(
        ::operator new (sizeof(Span) + std::size_t{block_count} * sizeof(BlockInfo)));
    SpanPtr span(::new (memory) Span{{}, 0, pages, size_class, block_count});
    for (std::size_t i = 0; i < block_count; ++i) {
        ::new (memory + sizeof(Span) + i * sizeof(BlockInfo)) BlockInfo;
    }
    return span;
}

// Owns the spans and finds them by page; a page's size class is known without touching the span.
// Every page of a slab leads to it; a run is known by its first page only, so that huge runs cost
// no more than small ones.
class PageMap {
public:
    PageMap() = default;
    PageMap(PageMap&& other) noexcept
        : entries_(std::exchange(other.entries_, {})),
          classes_(std::exchange(other.classes_, {})) {}
    PageMap& operator=(PageMap&& other) noexcept {
        entries_.swap(other.entries_);
        classes_.swap(other.classes_);
        return *this;
    }
    PageMap(const PageMap&) = delete;
    PageMap& operator=(const PageMap&) = delete;

    ~PageMap() {
        for (std::size_t page = 0; page < entries_.size(); ++page) {
            if (entries_[page] != nullptr && is_first(page)) {
                const Span* span = entries_[page];
                page += span->pages - 1;
                SpanDeleter{}(entries_[span->page]);
            }
        }
    }

    static constexpr std::uint8_t no_class = 255;

    // Strong guarantee.
    void resize(std::size_t pages) {
        if (pages > classes_.capacity()) {  // at least twice as many: a region grows in small steps
            classes_.reserve(std::max(pages, 2 * classes_.capacity()));
        }
        entries_.resize(pages, nullptr);
        classes_.resize(pages, no_class);
    }
    std::size_t size() const noexcept { return entries_.size(); }
    Span* at(std::size_t page) const noexcept { return entries_[page]; }
    // Of the slab that the page belongs to; no_class: of a run, or free.
    std::uint8_t class_at(std::size_t page) const noexcept { return classes_[page]; }
    bool is_first(std::size_t page) const noexcept { return entries_[page]->page == page; }

    Span* put(SpanPtr span, std::uint32_t page) noexcept {
        span->page = page;
        fill(*span, span.get());
        return span.release();
    }
    void remove(Span* span) noexcept {
        fill(*span, nullptr);
        SpanDeleter{}(span);
    }

private:
    void fill(const Span& span, Span* value) noexcept {
        const std::uint32_t pages = span.is_run() ? 1 : span.pages;
        const std::uint8_t size_class = value == nullptr || span.is_run()
                                            ? no_class
                                            : static_cast<std::uint8_t>(span.size_class);
        for (std::uint32_t i = 0; i < pages; ++i) {
            entries_[span.page + i] = value;
            classes_[span.page + i] = size_class;
        }
    }

    std::vector<Span*> entries_;
    std::vector<std::uint8_t> classes_;  // as many
};

}  // namespace strata::producer_impl
