// SPDX-License-Identifier: Apache-2.0
// A bit for each page of a region: marked or not. Runs of pages are marked, cleared and listed a
// word of 64 pages at a time; it knows no meaning of a mark. Not thread-safe.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "producer/memory/free_run_tree.hpp"

namespace strata::producer_impl {

using PageRun = FreeRunTree::Run;

/// Page numbers are absolute (offset / 4096). Runs that are passed lie within the words.
class PageBitmap {
public:
    /// `base_page` is a multiple of 64: the first word starts there.
    explicit PageBitmap(std::uint64_t base_page) noexcept : base_(base_page) {}

    std::uint64_t base_page() const noexcept { return base_; }
    std::size_t words() const noexcept { return words_.size(); }
    std::uint64_t word(std::size_t index) const noexcept { return words_[index]; }
    std::uint64_t count() const noexcept { return count_; }  // marked pages

    /// Room for so many words, so that grow() does not allocate. Throws std::bad_alloc.
    void reserve(std::size_t words) { words_.reserve(std::bit_ceil(words)); }
    void grow(std::size_t words) { words_.resize(words); }

    /// How many pages changed.
    std::uint64_t mark(PageRun run) noexcept {
        const std::uint64_t before = count_;
        for_words(run, [this](std::size_t i, std::uint64_t mask) {
            count_ += ones_in(mask & ~words_[i]);
            words_[i] |= mask;
            return true;
        });
        return count_ - before;
    }
    std::uint64_t clear(PageRun run) noexcept {
        const std::uint64_t before = count_;
        for_words(run, [this](std::size_t i, std::uint64_t mask) {
            count_ -= ones_in(mask & words_[i]);
            words_[i] &= ~mask;
            return true;
        });
        return before - count_;
    }

    bool all(PageRun run) const noexcept {
        return for_words(
            run, [this](std::size_t i, std::uint64_t mask) { return (words_[i] & mask) == mask; });
    }
    bool none(PageRun run) const noexcept {
        return for_words(
            run, [this](std::size_t i, std::uint64_t mask) { return (words_[i] & mask) == 0; });
    }

    /// The length of the marked run that ends right before `end_page`; 0: there is none.
    std::uint64_t run_before(std::uint64_t end_page) const noexcept;
    /// Maximal runs of marked pages.
    std::uint64_t run_count() const noexcept;
    std::vector<PageRun> runs() const;                // ascending
    std::vector<PageRun> runs_in(PageRun run) const;  // the parts of them within `run`
    /// Runs of at least `min_pages` pages that are marked here and not in `other`, which has as
    /// many words.
    std::vector<PageRun> runs_without(const PageBitmap& other, std::uint64_t min_pages) const;

    /// Whether the count is right, and no page outside of [first, end) is marked.
    bool valid(std::uint64_t first_page, std::uint64_t end_page) const noexcept;

private:
    static std::uint64_t ones_in(std::uint64_t bits) noexcept {
        return static_cast<std::uint64_t>(std::popcount(bits));
    }
    /// visit(word index, mask of the run's pages in it) until it returns false; whether it never
    /// did.
    template <typename Visit>
    bool for_words(PageRun run, Visit visit) const {
        std::uint64_t page = run.first - base_;
        const std::uint64_t end = page + run.count;
        while (page < end) {
            const std::uint64_t bit = page % 64;
            const std::uint64_t length = std::min(64 - bit, end - page);
            if (!visit(static_cast<std::size_t>(page / 64), (~std::uint64_t{0} >> (64 - length))
                                                                << bit)) {
                return false;
            }
            page += length;
        }
        return true;
    }

    std::uint64_t base_;
    std::uint64_t count_ = 0;
    std::vector<std::uint64_t> words_;
};

}  // namespace strata::producer_impl
