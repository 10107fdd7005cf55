// SPDX-License-Identifier: Apache-2.0
#include "producer/memory/page_bitmap.hpp"

namespace strata::producer_impl {

namespace {

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

}  // namespace

std::uint64_t PageBitmap::run_before(std::uint64_t end_page) const noexcept {
    std::uint64_t count = 0;
    std::uint64_t left = end_page - base_;  // pages not looked at yet
    while (left != 0) {
        const std::uint64_t in_word = (left - 1) % 64 + 1;
        const std::uint64_t top = words_[static_cast<std::size_t>((left - 1) / 64)]
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

std::uint64_t PageBitmap::run_count() const noexcept {
    std::uint64_t count = 0;
    std::uint64_t carry = 0;
    for (const std::uint64_t bits : words_) {
        count += ones_in(bits & ~(bits << 1 | carry));
        carry = bits >> 63;
    }
    return count;
}

std::vector<PageRun> PageBitmap::runs() const {
    std::vector<PageRun> runs;
    for_each_run(
        words_.size(), base_, [this](std::size_t i) { return words_[i]; },
        [&](PageRun run) { runs.push_back(run); });
    return runs;
}

std::vector<PageRun> PageBitmap::runs_in(PageRun run) const {
    std::vector<PageRun> runs;
    if (none(run)) {
        return runs;
    }
    constexpr std::uint64_t ones = ~std::uint64_t{0};
    const std::uint64_t first = run.first - base_;
    const std::uint64_t last = first + run.count - 1;
    const auto low = static_cast<std::size_t>(first / 64);
    const auto high = static_cast<std::size_t>(last / 64);
    const std::uint64_t low_mask = ones << first % 64;
    const std::uint64_t high_mask = ones >> (63 - last % 64);
    for_each_run(
        high - low + 1, base_ + low * 64,
        [&](std::size_t i) {
            const std::uint64_t mask =
                (i == 0 ? low_mask : ones) & (low + i == high ? high_mask : ones);
            return words_[low + i] & mask;
        },
        [&](PageRun part) { runs.push_back(part); });
    return runs;
}

std::vector<PageRun> PageBitmap::runs_without(const PageBitmap& other,
                                              std::uint64_t min_pages) const {
    std::vector<PageRun> runs;
    for_each_run(
        words_.size(), base_, [&](std::size_t i) { return words_[i] & ~other.words_[i]; },
        [&](PageRun run) {
            if (run.count >= min_pages) {
                runs.push_back(run);
            }
        });
    return runs;
}

bool PageBitmap::valid(std::uint64_t first_page, std::uint64_t end_page) const noexcept {
    std::uint64_t count = 0;
    for (std::size_t i = 0; i < words_.size(); ++i) {
        count += ones_in(words_[i]);
        for (std::uint64_t bit = 0; bit < 64; ++bit) {
            const std::uint64_t page = base_ + i * 64 + bit;
            if ((words_[i] >> bit & 1) != 0 && (page < first_page || page >= end_page)) {
                return false;
            }
        }
    }
    return count == count_;
}

}  // namespace strata::producer_impl
