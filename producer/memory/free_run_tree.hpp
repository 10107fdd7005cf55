// SPDX-License-Identifier: Apache-2.0
// Finds runs of free pages by length, in logarithmic time and without allocating.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace strata::producer_impl {

// Bits of one word by runs: bit i of the result says that bits i .. i+length-1 are all set.
constexpr std::uint64_t run_starts(std::uint64_t bits, std::uint64_t length) noexcept {
    for (std::uint64_t have = 1; have < length;) {  // length is 1 to 64
        const std::uint64_t step = std::min(have, length - have);
        bits &= bits >> step;
        have += step;
    }
    return bits;
}

// Where the runs of set bits are: a binary tree over words of 64 page bits. A node knows how far
// runs reach in from its two ends, and which lengths of complete runs lie between. Nodes join from
// their children alone, so neighbouring runs join without bookkeeping, and changing a bit never
// needs memory.
class FreeRunTree {
public:
    static constexpr unsigned aligned_orders = 5;  // aligned groups of 1, 2, 4, 8, 16 pages

    struct Run {
        std::uint64_t first;
        std::uint64_t count;
    };

    void reset(std::size_t words) {  // room for `words`, no bit set
        const std::size_t leaves = std::bit_ceil(std::max<std::size_t>(words, 1));
        nodes_ = std::vector<Node>(2 * leaves);
        leaves_ = leaves;
    }
    bool empty() const noexcept { return nodes_.empty(); }
    std::size_t words() const noexcept { return leaves_; }
    bool operator==(const FreeRunTree&) const = default;

    void set_word(std::size_t index, std::uint64_t bits) noexcept {
        nodes_[leaves_ + index] = leaf(bits);
    }

    // Brings the nodes above up to date after set_word() of these words.
    void update(std::size_t first_word, std::size_t last_word) noexcept {
        std::size_t low = leaves_ + first_word;
        std::size_t high = leaves_ + last_word;
        for (std::uint32_t child_pages = 64; low > 1; child_pages *= 2) {
            low /= 2;
            high /= 2;
            bool changed = false;
            for (std::size_t i = low; i <= high; ++i) {
                const Node node = join(nodes_[2 * i], nodes_[2 * i + 1], child_pages);
                changed = changed || node != nodes_[i];
                nodes_[i] = node;
            }
            if (!changed) {
                return;
            }
        }
    }

    std::uint64_t longest() const noexcept { return nodes_.empty() ? 0 : nodes_[1].longest; }

    // Start of a run of at least `pages` that is hardly longer than that; the lowest of its length.
    // word(i) yields the bits of set_word(). Exact up to 32 pages. For longer ones a few runs of
    // similar length are tried; then a somewhat longer one will do; then any that is long enough.
    template <typename Word>
    std::optional<std::uint64_t> find(std::uint64_t pages, Word word) const noexcept {
        if (longest() < pages) {
            return std::nullopt;
        }
        const Node& root = nodes_[1];
        const std::uint64_t root_pages = leaves_ * 64;
        std::uint64_t bins = root.bins | bin_bit(root.prefix) | bin_bit(root.suffix);
        bins &= ~std::uint64_t{0} << bin_of(pages);
        while (bins != 0) {
            Search search{static_cast<unsigned>(std::countr_zero(bins)), pages, max_tries, {}};
            bins &= bins - 1;
            if (search.offer({0, root.prefix}) || descend(1, 0, root_pages, word, search) ||
                search.offer({root_pages - root.suffix, root.suffix})) {
                return search.found;
            }
        }
        return find_first(pages, word);
    }

    // The lowest group of 2^order pages that is aligned to its size.
    template <typename Word>
    std::optional<std::uint64_t> find_aligned(unsigned order, Word word) const noexcept {
        const std::uint32_t wanted = 1U << order;
        if (nodes_.empty() || (nodes_[1].aligned & wanted) == 0) {
            return std::nullopt;
        }
        std::size_t i = 1;
        while (i < leaves_) {
            i = 2 * i + ((nodes_[2 * i].aligned & wanted) != 0 ? 0 : 1);
        }
        const std::size_t index = i - leaves_;
        const std::uint64_t starts =
            run_starts(word(index), std::uint64_t{1} << order) & group_starts[order];
        return index * 64 + static_cast<std::uint64_t>(std::countr_zero(starts));
    }

private:
    static constexpr unsigned max_tries = 8;
    // Bits of a word at which an aligned group of 2^order may start.
    static constexpr std::array<std::uint64_t, aligned_orders> group_starts = {
        ~std::uint64_t{0}, 0x5555555555555555, 0x1111111111111111, 0x0101010101010101,
        0x0001000100010001};

    struct Node {
        std::uint64_t bins = 0;  // lengths of the runs that touch neither end of the node
        std::uint32_t prefix = 0;
        std::uint32_t suffix = 0;
        std::uint32_t longest = 0;
        std::uint32_t aligned = 0;  // bit k: there is an aligned group of 2^k pages

        bool operator==(const Node&) const = default;
    };

    struct Search {
        unsigned bin;
        std::uint64_t pages;
        unsigned tries;
        std::optional<std::uint64_t> found;

        bool offer(Run run) noexcept {
            if (run.count == 0 || bin_of(run.count) != bin) {
                return false;
            }
            if (run.count >= pages) {
                found = run.first;
                return true;
            }
            tries -= tries != 0 ? 1 : 0;
            return false;
        }
    };

    // Lengths 1 to 32 have a bin each; then four bins for each doubling; the last takes the rest.
    static constexpr unsigned bin_of(std::uint64_t pages) noexcept {
        if (pages <= 32) {
            return static_cast<unsigned>(pages - 1);
        }
        const auto log = static_cast<unsigned>(std::bit_width(pages)) - 1;
        return std::min(28 + 4 * (log - 4) + static_cast<unsigned>(pages >> (log - 2) & 3), 63U);
    }
    static constexpr std::uint64_t bin_bit(std::uint64_t pages) noexcept {
        return pages == 0 ? 0 : std::uint64_t{1} << bin_of(pages);
    }

    // Calls visit(Run) for the complete runs inside the word until it returns true.
    template <typename Visit>
    static bool inner_runs(std::uint64_t bits, Visit visit) noexcept {
        if (bits == ~std::uint64_t{0}) {
            return false;
        }
        bits &= bits + 1;                                    // without the prefix
        bits &= ~std::uint64_t{0} >> std::countl_one(bits);  // without the suffix
        while (bits != 0) {
            const auto first = static_cast<std::uint64_t>(std::countr_zero(bits));
            const auto count = static_cast<std::uint64_t>(std::countr_one(bits >> first));
            if (visit(Run{first, count})) {
                return true;
            }
            bits &= bits + (std::uint64_t{1} << first);
        }
        return false;
    }

    static Node leaf(std::uint64_t bits) noexcept {
        if (bits == 0) {
            return {};
        }
        Node node;
        node.prefix = static_cast<std::uint32_t>(std::countr_one(bits));
        node.suffix = static_cast<std::uint32_t>(std::countl_one(bits));
        node.longest = std::max(node.prefix, node.suffix);
        inner_runs(bits, [&node](Run run) {
            node.bins |= bin_bit(run.count);
            node.longest = std::max(node.longest, static_cast<std::uint32_t>(run.count));
            return false;
        });
        std::uint64_t starts = bits;
        for (unsigned k = 0; k < aligned_orders; ++k) {
            node.aligned |= (starts & group_starts[k]) != 0 ? 1U << k : 0U;
            starts &= starts >> (1U << k);
        }
        return node;
    }

    static Node join(const Node& left, const Node& right, std::uint32_t child_pages) noexcept {
        const bool left_full = left.prefix == child_pages;
        const bool right_full = right.prefix == child_pages;
        const std::uint32_t middle = left.suffix + right.prefix;
        Node node;
        node.bins = left.bins | right.bins;
        if (!left_full && !right_full) {
            node.bins |= bin_bit(middle);
        }
        node.prefix = left_full ? middle : left.prefix;
        node.suffix = right_full ? middle : right.suffix;
        node.longest = std::max({left.longest, right.longest, middle});
        node.aligned = left.aligned | right.aligned;
        return node;
    }

    // Looks through the complete runs inside node i, lowest first.
    template <typename Word>
    bool descend(std::size_t i, std::uint64_t at, std::uint64_t node_pages, Word word,
                 Search& search) const noexcept {
        if ((nodes_[i].bins >> search.bin & 1) == 0 || search.tries == 0) {
            return false;
        }
        if (i >= leaves_) {
            return inner_runs(word(i - leaves_), [&](Run run) {
                return search.offer({at + run.first, run.count});
            });
        }
        const std::uint64_t half = node_pages / 2;
        const Node& left = nodes_[2 * i];
        const Node& right = nodes_[2 * i + 1];
        return descend(2 * i, at, half, word, search) ||
               (left.prefix != half && right.prefix != half &&
                search.offer(
                    {at + half - left.suffix, std::uint64_t{left.suffix} + right.prefix})) ||
               descend(2 * i + 1, at + half, half, word, search);
    }

    // The lowest run of at least `pages`, which must exist.
    template <typename Word>
    std::uint64_t find_first(std::uint64_t pages, Word word) const noexcept {
        std::uint64_t half = leaves_ * 64 / 2;
        std::uint64_t at = 0;
        for (std::size_t i = 1; i < leaves_; half /= 2) {
            const Node& left = nodes_[2 * i];
            if (left.longest >= pages) {
                i = 2 * i;
            } else if (std::uint64_t{left.suffix} + nodes_[2 * i + 1].prefix >= pages) {
                return at + half - left.suffix;
            } else {
                i = 2 * i + 1;
                at += half;
            }
        }
        const std::uint64_t bits = word(static_cast<std::size_t>(at / 64));
        return at + static_cast<std::uint64_t>(std::countr_zero(run_starts(bits, pages)));
    }

    std::vector<Node> nodes_;  // heap order: the root is 1, leaves start at leaves_
    std::size_t leaves_ = 0;   // a power of two
};

}  // namespace strata::producer_impl
