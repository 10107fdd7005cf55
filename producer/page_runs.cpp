// SPDX-License-Identifier: Apache-2.0
#include "producer/page_runs.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace strata::producer_impl {

namespace {

constexpr std::uint64_t ones = ~std::uint64_t{0};

// Calls visit(run) for the maximal runs of set bits, in order.
template <typename Word, typename Visit>
void for_each_run(std::size_t words, std::uint64_t base_page, Word word, Visit visit) {
    PageRun open{0, 0};
    for (std::size_t i = 0; i < words; ++i) {
        std::uint64_t bits = word(i);
        std::uint64_t at = base_page + i * 64;
        unsigned left = 64;
        while (left != 0) {
            if ((bits & 1) != 0) {
                const auto length = std::min(static_cast<unsigned>(std::countr_one(bits)), left);
                if (open.count == 0) {
                    open.first = at;
                }
                open.count += length;
                bits = length == 64 ? 0 : bits >> length;
                at += length;
                left -= length;
            } else {
                if (open.count != 0) {
                    visit(open);
                    open.count = 0;
                }
                const auto length = std::min(static_cast<unsigned>(std::countr_zero(bits)), left);
                bits = length == 64 ? 0 : bits >> length;
                at += length;
                left -= length;
            }
        }
    }
    if (open.count != 0) {
        visit(open);
    }
}

std::size_t words_for(std::uint64_t pages) { return static_cast<std::size_t>((pages + 63) / 64); }

}  // namespace

void allocator_bug(const char* what) noexcept {
    std::fprintf(stderr, "strata: bug in the use of a block allocator: %s\n", what);
    std::abort();
}

PageRuns::PageRuns(std::uint64_t first_page, std::uint64_t end_page)
    : first_(first_page), end_(first_page), base_(first_page & ~std::uint64_t{63}) {
    if (end_page < first_page) {
        allocator_bug("a region that ends before it begins");
    }
    extend(end_page);
}

void PageRuns::extend(std::uint64_t end_page) {
    if (end_page < end_) {
        allocator_bug("extend to a lower end");
    }
    if (end_page - base_ > max_pages) {
        throw std::length_error("strata: a region of more than 8 TiB");
    }
    // Allocate first, so that a failure leaves everything as it was.
    const std::size_t words = words_for(end_page - base_);
    RunTree all;
    RunTree committed;
    const bool bigger = all_.empty() || words > all_.words();
    if (bigger) {
        all.reset(words);
        if (hole_pages_ != 0) {
            committed.reset(words);
        }
    }
    free_.reserve(std::bit_ceil(words));
    holes_.reserve(std::bit_ceil(words));
    free_.resize(words);
    holes_.resize(words);
    if (bigger) {
        fill_tree(all, words, all_word());
        all_ = std::move(all);
        if (hole_pages_ != 0) {
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
void PageRuns::fill_tree(RunTree& tree, std::size_t words, Word word) noexcept {
    for (std::size_t i = 0; i < words; ++i) {
        tree.set_word(i, word(i));
    }
    tree.update(0, tree.words() - 1);
}

std::optional<std::uint64_t> PageRuns::find(std::uint64_t pages) const noexcept {
    std::optional<std::uint64_t> page;
    if (hole_pages_ != 0) {
        page = committed_.find(pages, committed_word());
    }
    if (!page) {
        page = all_.find(pages, all_word());
    }
    return page ? std::optional(base_ + *page) : std::nullopt;
}

std::optional<std::uint64_t> PageRuns::find_aligned(unsigned order) const noexcept {
    std::optional<std::uint64_t> page;
    if (hole_pages_ != 0) {
        page = committed_.find_aligned(order, committed_word());
    }
    if (!page) {
        page = all_.find_aligned(order, all_word());
    }
    return page ? std::optional(base_ + *page) : std::nullopt;
}

// change(word index, mask of the run's pages in it) -> false to stop early.
template <typename Change>
void PageRuns::for_words(PageRun run, Change change) const {
    std::uint64_t page = run.first - base_;
    const std::uint64_t end = page + run.count;
    while (page < end) {
        const std::uint64_t bit = page % 64;
        const std::uint64_t length = std::min(64 - bit, end - page);
        if (!change(static_cast<std::size_t>(page / 64), (ones >> (64 - length)) << bit)) {
            return;
        }
        page += length;
    }
}

void PageRuns::refresh(PageRun run) noexcept {
    const auto low = static_cast<std::size_t>((run.first - base_) / 64);
    const auto high = static_cast<std::size_t>((run.first - base_ + run.count - 1) / 64);
    for (std::size_t i = low; i <= high; ++i) {
        all_.set_word(i, free_[i]);
    }
    all_.update(low, high);
    if (hole_pages_ != 0) {
        for (std::size_t i = low; i <= high; ++i) {
            committed_.set_word(i, committed_word()(i));
        }
        committed_.update(low, high);
    }
}

void PageRuns::claim(PageRun run) noexcept {
    for_words(run, [&](std::size_t i, std::uint64_t mask) {
        if ((free_[i] & mask) != mask) {
            allocator_bug("a page given out twice");
        }
        free_[i] &= ~mask;
        return true;
    });
    free_pages_ -= run.count;
    refresh(run);
}

void PageRuns::release(PageRun run) noexcept {
    for_words(run, [&](std::size_t i, std::uint64_t mask) {
        if ((free_[i] & mask) != 0) {
            allocator_bug("a page freed twice");
        }
        free_[i] |= mask;
        return true;
    });
    free_pages_ += run.count;
    refresh(run);
}

bool PageRuns::in_range(PageRun run) const noexcept {
    return run.first >= first_ && run.first <= end_ && run.count <= end_ - run.first;
}

bool PageRuns::all_free(PageRun run) const noexcept {
    bool all = in_range(run);
    if (all) {
        for_words(run, [&](std::size_t i, std::uint64_t mask) {
            return all = (free_[i] & mask) == mask;
        });
    }
    return all;
}

bool PageRuns::none_free(PageRun run) const noexcept {
    bool none = in_range(run);
    if (none) {
        for_words(run,
                  [&](std::size_t i, std::uint64_t mask) { return none = (free_[i] & mask) == 0; });
    }
    return none;
}

std::uint64_t PageRuns::free_at_end() const noexcept {
    std::uint64_t count = 0;
    std::uint64_t left = end_ - base_;  // pages not looked at yet
    while (left != 0) {
        const std::uint64_t in_word = (left - 1) % 64 + 1;
        const std::uint64_t top = free_[static_cast<std::size_t>((left - 1) / 64)]
                                  << (64 - in_word);
        const auto run = std::min(static_cast<std::uint64_t>(std::countl_one(top)), in_word);
        count += run;
        left -= in_word;
        if (run != in_word) {
            break;
        }
    }
    return count;
}

std::uint64_t PageRuns::free_run_count() const noexcept {
    std::uint64_t count = 0;
    std::uint64_t carry = 0;
    for (const std::uint64_t bits : free_) {
        count += static_cast<std::uint64_t>(std::popcount(bits & ~(bits << 1 | carry)));
        carry = bits >> 63;
    }
    return count;
}

std::vector<PageRun> PageRuns::free_runs() const {
    std::vector<PageRun> runs;
    for_each_run(free_.size(), base_, all_word(), [&](PageRun run) { runs.push_back(run); });
    return runs;
}

std::vector<PageRun> PageRuns::committed_free_runs(std::uint64_t min_pages) const {
    std::vector<PageRun> runs;
    for_each_run(free_.size(), base_, committed_word(), [&](PageRun run) {
        if (run.count >= min_pages) {
            runs.push_back(run);
        }
    });
    return runs;
}

void PageRuns::mark_holes(PageRun run) {
    if (run.count == 0) {
        return;
    }
    const bool first_hole = hole_pages_ == 0;
    if (first_hole) {
        committed_.reset(all_.words());
    }
    for_words(run, [&](std::size_t i, std::uint64_t mask) {
        hole_pages_ += static_cast<std::uint64_t>(std::popcount(mask & ~holes_[i]));
        holes_[i] |= mask;
        return true;
    });
    if (first_hole) {
        fill_tree(committed_, free_.size(), committed_word());
    } else {
        refresh(run);
    }
}

void PageRuns::unmark_holes(PageRun run) noexcept {
    if (run.count == 0) {
        return;
    }
    for_words(run, [&](std::size_t i, std::uint64_t mask) {
        hole_pages_ -= static_cast<std::uint64_t>(std::popcount(mask & holes_[i]));
        holes_[i] &= ~mask;
        return true;
    });
    refresh(run);
}

std::vector<PageRun> PageRuns::holes_in(PageRun run) const {
    std::vector<PageRun> runs;
    std::uint64_t any = 0;
    for_words(run, [&](std::size_t i, std::uint64_t mask) {
        any = holes_[i] & mask;
        return any == 0;
    });
    if (any == 0) {
        return runs;
    }
    const auto low = static_cast<std::size_t>((run.first - base_) / 64);
    const auto high = static_cast<std::size_t>((run.first - base_ + run.count - 1) / 64);
    const std::uint64_t low_mask = ones << (run.first - base_) % 64;
    const std::uint64_t high_mask = ones >> (63 - (run.first - base_ + run.count - 1) % 64);
    for_each_run(
        high - low + 1, base_ + low * 64,
        [&](std::size_t i) {
            const std::uint64_t mask =
                (i == 0 ? low_mask : ones) & (low + i == high ? high_mask : ones);
            return holes_[low + i] & mask;
        },
        [&](PageRun hole) { runs.push_back(hole); });
    return runs;
}

bool PageRuns::valid() const {
    std::uint64_t free_bits = 0;
    std::uint64_t hole_bits = 0;
    std::uint64_t longest = 0;
    for (std::size_t i = 0; i < free_.size(); ++i) {
        free_bits += static_cast<std::uint64_t>(std::popcount(free_[i]));
        hole_bits += static_cast<std::uint64_t>(std::popcount(holes_[i]));
        for (std::uint64_t bit = 0; bit < 64; ++bit) {
            const std::uint64_t page = base_ + i * 64 + bit;
            if (((free_[i] | holes_[i]) >> bit & 1) != 0 && (page < first_ || page >= end_)) {
                return false;
            }
        }
    }
    for (const PageRun run : free_runs()) {
        longest = std::max(longest, run.count);
    }
    if (free_bits != free_pages_ || hole_bits != hole_pages_ || longest != all_.longest()) {
        return false;
    }
    // The trees must say what trees built afresh say.
    RunTree tree;
    tree.reset(all_.words());
    fill_tree(tree, free_.size(), all_word());
    bool same = tree == all_;
    if (hole_pages_ != 0) {
        tree.reset(all_.words());
        fill_tree(tree, free_.size(), committed_word());
        same = same && tree == committed_;
    }
    return same;
}

}  // namespace strata::producer_impl
