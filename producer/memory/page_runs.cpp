// SPDX-License-Identifier: Apache-2.0
#include "producer/memory/page_runs.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace strata::producer_impl {

namespace {

std::size_t words_for(std::uint64_t pages) { return static_cast<std::size_t>((pages + 63) / 64); }

}  // namespace

void allocator_bug(const char* what) noexcept {
    // The offsets that are freed were read from the store's files, which nobody but the producer
    // may write: what is wrong with one is nearly always that somebody did.
    std::fprintf(stderr,
                 "strata: the memory of the store is not what this producer made of it (%s): "
                 "somebody overwrote its files, or a bug\n",
                 what);
    std::abort();
}

PageRuns::PageRuns(std::uint64_t first_page, std::uint64_t end_page)
    : first_(first_page),
      end_(first_page),
      free_(first_page & ~std::uint64_t{63}),
      holes_(first_page & ~std::uint64_t{63}) {
    if (end_page < first_page) {
        allocator_bug("a region that ends before it begins");
    }
    extend(end_page);
}

void PageRuns::extend(std::uint64_t end_page) {
    if (end_page < end_) {
        allocator_bug("extend to a lower end");
    }
    if (end_page - base_page() > max_pages) {
        throw std::length_error("strata: a region of more than 8 TiB");
    }
    // Allocate first, so that a failure leaves everything as it was.
    const std::size_t words = words_for(end_page - base_page());
    FreeRunTree all;
    FreeRunTree committed;
    const bool bigger = all_.empty() || words > all_.words();
    if (bigger) {
        all.reset(words);
        if (hole_pages() != 0) {
            committed.reset(words);
        }
    }
    free_.reserve(words);
    holes_.reserve(words);
    free_.grow(words);
    holes_.grow(words);
    if (bigger) {
        fill_tree(all, words, all_word());
        all_ = std::move(all);
        if (hole_pages() != 0) {
            fill_tree(committed, words, committed_word());
            committed_ = std::move(committed);
        }
    }
    const PageRun added{end_, end_page - end_};
    end_ = end_page;
    if (added.count != 0) {
        release(added);
    }
}

template <typename Word>
void PageRuns::fill_tree(FreeRunTree& tree, std::size_t words, Word word) noexcept {
    for (std::size_t i = 0; i < words; ++i) {
        tree.set_word(i, word(i));
    }
    tree.update(0, tree.words() - 1);
}

std::optional<std::uint64_t> PageRuns::find(std::uint64_t pages) const noexcept {
    if (const auto committed = find_committed(pages)) {
        return committed;
    }
    const auto page = all_.find(pages, all_word());
    return page ? std::optional(base_page() + *page) : std::nullopt;
}

std::optional<std::uint64_t> PageRuns::find_committed(std::uint64_t pages) const noexcept {
    const auto page =
        hole_pages() != 0 ? committed_.find(pages, committed_word()) : all_.find(pages, all_word());
    return page ? std::optional(base_page() + *page) : std::nullopt;
}

std::optional<std::uint64_t> PageRuns::find_aligned(unsigned order) const noexcept {
    std::optional<std::uint64_t> page;
    if (hole_pages() != 0) {
        page = committed_.find_aligned(order, committed_word());
    }
    if (!page) {
        page = all_.find_aligned(order, all_word());
    }
    return page ? std::optional(base_page() + *page) : std::nullopt;
}

void PageRuns::refresh(PageRun run) noexcept {
    const auto low = static_cast<std::size_t>((run.first - base_page()) / 64);
    const auto high = static_cast<std::size_t>((run.first - base_page() + run.count - 1) / 64);
    for (std::size_t i = low; i <= high; ++i) {
        all_.set_word(i, all_word()(i));
    }
    all_.update(low, high);
    if (hole_pages() != 0) {
        for (std::size_t i = low; i <= high; ++i) {
            committed_.set_word(i, committed_word()(i));
        }
        committed_.update(low, high);
    }
}

void PageRuns::claim(PageRun run) noexcept {
    if (free_.clear(run) != run.count) {
        allocator_bug("a page given out twice");
    }
    refresh(run);
}

void PageRuns::release(PageRun run) noexcept {
    if (free_.mark(run) != run.count) {
        allocator_bug("a page freed twice");
    }
    refresh(run);
}

bool PageRuns::in_range(PageRun run) const noexcept {
    return run.first >= first_ && run.first <= end_ && run.count <= end_ - run.first;
}

bool PageRuns::all_free(PageRun run) const noexcept { return in_range(run) && free_.all(run); }

bool PageRuns::none_free(PageRun run) const noexcept { return in_range(run) && free_.none(run); }

void PageRuns::mark_holes(PageRun run) {
    if (run.count == 0) {
        return;
    }
    const bool first_hole = hole_pages() == 0;
    if (first_hole && committed_.words() != all_.words()) {  // else it is there from earlier ones
        committed_.reset(all_.words());
    }
    holes_.mark(run);
    if (first_hole) {
        fill_tree(committed_, free_.words(), committed_word());
    } else {
        refresh(run);
    }
}

void PageRuns::unmark_holes(PageRun run) noexcept {
    if (run.count == 0) {
        return;
    }
    holes_.clear(run);
    refresh(run);
}

bool PageRuns::valid() const {
    if (!free_.valid(first_, end_) || !holes_.valid(first_, end_)) {
        return false;
    }
    std::uint64_t longest = 0;
    for (const PageRun run : free_runs()) {
        longest = std::max(longest, run.count);
    }
    if (longest != all_.longest()) {
        return false;
    }
    // The trees must say what trees built afresh say.
    FreeRunTree tree;
    tree.reset(all_.words());
    fill_tree(tree, free_.words(), all_word());
    bool same = tree == all_;
    if (hole_pages() != 0) {
        tree.reset(all_.words());
        fill_tree(tree, free_.words(), committed_word());
        same = same && tree == committed_;
    }
    return same;
}

}  // namespace strata::producer_impl
