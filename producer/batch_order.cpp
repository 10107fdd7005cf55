// SPDX-License-Identifier: Apache-2.0
#include "producer/batch_order.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>

#include <boost/sort/pdqsort/pdqsort.hpp>

namespace strata::producer_impl {

namespace {

// Dimension, layer and place in the batch as one number of 128 bits: comparing two takes no branch,
// which random ids would mispredict every other time, and the place makes the order stable.
struct Key {
    std::uint64_t high;  // dimension, upper half of the layer
    std::uint64_t low;   // lower half of the layer, place
};

struct Less {
    bool operator()(const Key& a, const Key& b) const noexcept {
        const auto less_high = static_cast<unsigned>(a.high < b.high);
        const auto same_high = static_cast<unsigned>(a.high == b.high);
        return (less_high | (same_high & static_cast<unsigned>(a.low < b.low))) != 0;
    }
};

}  // namespace

void sort_by_id(std::vector<BatchOp>& ops) {
    if (ops.size() > std::numeric_limits<std::uint32_t>::max()) {
        std::stable_sort(ops.begin(), ops.end(),
                         [](const BatchOp& a, const BatchOp& b) { return a.id < b.id; });
        return;
    }
    std::vector<Key> keys(ops.size());
    for (std::uint32_t i = 0; i < ops.size(); ++i) {
        const LayerId id = ops[i].id;
        keys[i] = {std::uint64_t{id.dimension} << 32 | id.layer >> 32, id.layer << 32 | i};
    }
    // Orson Peters, "Pattern-defeating Quicksort", 2021; section 3.1 for the branchless partition.
    boost::sort::pdqsort_branchless(keys.begin(), keys.end(), Less{});
    std::vector<BatchOp> sorted(ops.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        sorted[i] = ops[static_cast<std::uint32_t>(keys[i].low)];
    }
    ops.swap(sorted);
}

}  // namespace strata::producer_impl
