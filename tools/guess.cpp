// SPDX-License-Identifier: Apache-2.0
#include "guess.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <optional>

#include <strata/printable.hpp>

namespace strata::tools {

namespace {

// Insertions, deletions, replacements and swaps of neighbours that make one word of the other
// (optimal string alignment).
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replaced});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before[j - 2] + 1);
            }
        }
        std::swap(before, last);
        std::swap(last, row);
    }
    return last[b.size()];
}

// The known word that `word` is a slip of, or nothing.
std::optional<std::string> nearest(std::string_view word, const std::vector<std::string>& known) {
    // A third of the word may be wrong: what is further away is another word.
    std::size_t least = std::max<std::size_t>(1, word.size() / 3) + 1;
    std::optional<std::string> best;
    for (const std::string& candidate : known) {
        const std::size_t longer = std::max(candidate.size(), word.size());
        if (candidate == word || longer > 200 ||
            longer - std::min(candidate.size(), word.size()) >= least) {
            continue;
        }
        if (const std::size_t wrong = distance(word, candidate); wrong < least) {
            least = wrong;
            best = candidate;
        }
    }
    return best;
}

}  // namespace

std::string did_you_mean(std::string_view word, const std::vector<std::string>& known) {
    const auto guess = nearest(word, known);
    return guess ? "did you mean \"" + printable(*guess) + "\"? " : "";
}

}  // namespace strata::tools
