// SPDX-License-Identifier: Apache-2.0
// Which pages of a region are free, used, or not committed, and where a run of free ones fits: two
// bitmaps, and a tree over each kind of free page. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "producer/memory/free_run_tree.hpp"
#include "producer/memory/page_bitmap.hpp"

namespace strata::producer_impl {

[[noreturn]] void allocator_bug(const char* what) noexcept;

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
    std::uint64_t base_page() const noexcept { return free_.base_page(); }

    // Where to put a run (best fit) or a slab (lowest fit); without holes if possible. Changes
    // nothing.
    std::optional<std::uint64_t> find(std::uint64_t pages) const noexcept;
    std::optional<std::uint64_t> find_committed(std::uint64_t pages) const noexcept;
    std::optional<std::uint64_t> find_aligned(unsigned order) const noexcept;

    void claim(PageRun run) noexcept;    // free -> used
    void release(PageRun run) noexcept;  // used -> free
    bool all_free(PageRun run) const noexcept;
    bool none_free(PageRun run) const noexcept;
    bool in_range(PageRun run) const noexcept;

    std::uint64_t free_pages() const noexcept { return free_.count(); }
    std::uint64_t free_at_end() const noexcept { return free_.run_before(end_); }
    std::uint64_t longest() const noexcept { return all_.longest(); }
    std::vector<PageRun> free_runs() const { return free_.runs(); }  // holes included
    std::vector<PageRun> committed_free_runs(std::uint64_t min_pages) const {
        return free_.runs_without(holes_, min_pages);
    }

    // Holes: pages, mostly free ones, that are not committed.
    std::uint64_t hole_pages() const noexcept { return holes_.count(); }
    void mark_holes(PageRun run);
    void unmark_holes(PageRun run) noexcept;
    std::vector<PageRun> holes_in(PageRun run) const { return holes_.runs_in(run); }

    bool valid() const;

private:
    void refresh(PageRun run) noexcept;
    template <typename Word>
    static void fill_tree(FreeRunTree& tree, std::size_t words, Word word) noexcept;
    // The bits that the two trees are over.
    auto all_word() const noexcept {
        return [this](std::size_t i) { return free_.word(i); };
    }
    auto committed_word() const noexcept {
        return [this](std::size_t i) { return free_.word(i) & ~holes_.word(i); };
    }

    std::uint64_t first_;
    std::uint64_t end_;
    PageBitmap free_;
    PageBitmap holes_;
    FreeRunTree all_;        // over free_
    FreeRunTree committed_;  // over free_ without holes_; kept only while there are holes
};

}  // namespace strata::producer_impl
