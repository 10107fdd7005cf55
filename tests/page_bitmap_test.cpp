// SPDX-License-Identifier: Apache-2.0
// The bitmap of a region's pages, against a list of truth values.
#include "producer/memory/page_bitmap.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using strata::producer_impl::PageBitmap;
using strata::producer_impl::PageRun;

namespace {

constexpr std::uint64_t base = 3 * 64;
constexpr std::uint64_t pages = 5 * 64;

// One truth value a page, and the slow way to each answer.
class Model {
public:
    void set(PageRun run, bool marked) {
        std::fill_n(marks_.begin() + static_cast<std::ptrdiff_t>(run.first - base), run.count,
                    marked);
    }
    std::uint64_t count(PageRun run) const {
        std::uint64_t count = 0;
        for (std::uint64_t page = run.first; page < run.first + run.count; ++page) {
            count += marks_[page - base] ? 1 : 0;
        }
        return count;
    }
    std::vector<PageRun> runs(PageRun within, const Model& without, std::uint64_t min) const {
        std::vector<PageRun> runs;
        PageRun open{0, 0};
        for (std::uint64_t page = within.first; page <= within.first + within.count; ++page) {
            const bool marked = page < within.first + within.count && marks_[page - base] &&
                                !without.marks_[page - base];
            if (marked && open.count++ == 0) {
                open.first = page;
            } else if (!marked && open.count != 0) {
                if (open.count >= min) {
                    runs.push_back(open);
                }
                open.count = 0;
            }
        }
        return runs;
    }

private:
    std::vector<bool> marks_ = std::vector<bool>(pages);
};

bool same(const std::vector<PageRun>& a, const std::vector<PageRun>& b) {
    return std::ranges::equal(a, b, [](const PageRun& x, const PageRun& y) {
        return x.first == y.first && x.count == y.count;
    });
}

PageBitmap empty_bitmap() {
    PageBitmap bitmap(base);
    bitmap.reserve(pages / 64);
    bitmap.grow(pages / 64);
    return bitmap;
}

PageRun random_run(std::mt19937& random) {
    const std::uint64_t first = std::uniform_int_distribution<std::uint64_t>(0, pages - 1)(random);
    const std::uint64_t most =
        random() % 2 == 0 ? std::min<std::uint64_t>(pages - first, 9) : pages - first;
    return {base + first, std::uniform_int_distribution<std::uint64_t>(1, most)(random)};
}

}  // namespace

TEST_CASE("a bitmap of pages says what a list of truth values says") {
    std::mt19937 random(1);
    PageBitmap bitmap = empty_bitmap();
    PageBitmap other = empty_bitmap();
    Model model;
    Model other_model;
    constexpr PageRun whole{base, pages};
    for (int step = 0; step < 3000; ++step) {
        CAPTURE(step);
        const PageRun run = random_run(random);
        const std::uint64_t before = model.count(run);
        if (random() % 2 == 0) {
            REQUIRE(bitmap.mark(run) == run.count - before);
            model.set(run, true);
        } else {
            REQUIRE(bitmap.clear(run) == before);
            model.set(run, false);
        }
        const PageRun elsewhere = random_run(random);
        const bool marked = random() % 2 == 0;
        marked ? other.mark(elsewhere) : other.clear(elsewhere);
        other_model.set(elsewhere, marked);

        const PageRun asked = random_run(random);
        REQUIRE(bitmap.count() == model.count(whole));
        REQUIRE(bitmap.all(asked) == (model.count(asked) == asked.count));
        REQUIRE(bitmap.none(asked) == (model.count(asked) == 0));
        const std::vector<PageRun> runs = model.runs(whole, Model(), 1);
        REQUIRE(same(bitmap.runs(), runs));
        REQUIRE(bitmap.run_count() == runs.size());
        REQUIRE(same(bitmap.runs_in(asked), model.runs(asked, Model(), 1)));
        REQUIRE(same(bitmap.runs_without(other, 3), model.runs(whole, other_model, 3)));
        const std::vector<PageRun> lower =
            model.runs({base, asked.first + asked.count - base}, Model(), 1);
        const bool touches =
            !lower.empty() && lower.back().first + lower.back().count == asked.first + asked.count;
        REQUIRE(bitmap.run_before(asked.first + asked.count) == (touches ? lower.back().count : 0));
        REQUIRE(bitmap.valid(base, base + pages));
    }
}

TEST_CASE("marks outside of the region's pages are found") {
    PageBitmap bitmap = empty_bitmap();
    bitmap.mark({base + 10, 20});
    CHECK(bitmap.valid(base + 10, base + 30));
    CHECK_FALSE(bitmap.valid(base + 11, base + 30));
    CHECK_FALSE(bitmap.valid(base + 10, base + 29));
}

TEST_CASE("new words have no marks, and the old ones keep theirs") {
    PageBitmap bitmap(base);
    bitmap.reserve(1);
    bitmap.grow(1);
    bitmap.mark({base + 60, 4});
    bitmap.reserve(3);
    bitmap.grow(3);
    CHECK(bitmap.words() == 3);
    CHECK(same(bitmap.runs(), {{base + 60, 4}}));
    bitmap.mark({base + 64, 70});
    CHECK(same(bitmap.runs(), {{base + 60, 74}}));
}
