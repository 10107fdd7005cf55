// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "producer/run_tree.hpp"

namespace strata::producer_impl {

[[noreturn]] void allocator_bug(const char* what) noexcept;

using PageRun = RunTree::Run;

// Free and uncommitted pages of one region. Page numbers are absolute (offset / 4096).
// Invariant: bits outside [first, end) are clear in both bitmaps.
class PageRuns {
public:
    static constexpr std::uint64_t max_pages = std::uint64_t{1} << 31;  // tree counts are 32 bits

    PageRuns(std::uint64_t first_page, std::uint64_t end_page);  // every page is free
    void extend(std::uint64_t end_page);                         // the new pages are free

    std::uint64_t first_page() const noexcept { return first_; }
    std::uint64_t end_page() const noexcept { return end_; }
    // Page bitmaps start here; a multiple of 64, so natural alignment is kept.
    std::uint64_t base_page() const noexcept { return base_; }

    // Where to put a run (best fit) or a slab (lowest fit); without holes if possible. Changes
    // nothing.
    std::optional<std::uint64_t> find(std::uint64_t pages) const noexcept;
    std::optional<std::uint64_t> find_aligned(unsigned order) const noexcept;

    void claim(PageRun run) noexcept;    // free -> used
    void release(PageRun run) noexcept;  // used -> free
    bool all_free(PageRun run) const noexcept;
    bool none_free(PageRun run) const noexcept;
    bool in_range(PageRun run) const noexcept;

    std::uint64_t free_pages() const noexcept { return free_pages_; }
    std::uint64_t free_at_end() const noexcept;  // length of the free run that touches end
    std::uint64_t longest() const noexcept { return all_.longest(); }
    std::uint64_t free_run_count() const noexcept;
    std::vector<PageRun> free_runs() const;                                   // holes included
    std::vector<PageRun> committed_free_runs(std::uint64_t min_pages) const;  // holes excluded

    // Holes: pages, mostly free ones, that are not committed.
    std::uint64_t hole_pages() const noexcept { return hole_pages_; }
    void mark_holes(PageRun run);
    void unmark_holes(PageRun run) noexcept;
    std::vector<PageRun> holes_in(PageRun run) const;

    bool valid() const;

private:
    template <typename Change>
    void for_words(PageRun run, Change change) const;
    void refresh(PageRun run) noexcept;
    template <typename Word>
    static void fill_tree(RunTree& tree, std::size_t words, Word word) noexcept;
    // The bits that the two trees are over.
    auto all_word() const noexcept {
        return [this](std::size_t i) { return free_[i]; };
    }
    auto committed_word() const noexcept {
        return [this](std::size_t i) { return free_[i] & ~holes_[i]; };
    }

    std::uint64_t first_;
    std::uint64_t end_;
    std::uint64_t base_;
    std::uint64_t free_pages_ = 0;
    std::uint64_t hole_pages_ = 0;
    std::vector<std::uint64_t> free_;
    std::vector<std::uint64_t> holes_;
    RunTree all_;        // over free_
    RunTree committed_;  // over free_ without holes_; kept only while there are holes
};

}  // namespace strata::producer_impl
