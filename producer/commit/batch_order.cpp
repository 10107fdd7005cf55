// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/batch_order.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <limits>
#include <utility>

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

// Which bytes are not zero, lowest first: a bit each.
unsigned differing_bytes(std::uint64_t bits) noexcept {
    unsigned bytes = 0;
    for (unsigned byte = 0; byte < 8; ++byte) {
        bytes |= (bits >> (8 * byte) & 255) != 0 ? 1U << byte : 0;
    }
    return bytes;
}

// One pass over one byte of a half of the keys; stable.
void pass(const std::vector<Key>& from, std::vector<Key>& to, std::uint64_t Key::*half,
          unsigned shift) noexcept {
    std::array<std::uint32_t, 256> next{};
    for (const Key& key : from) {
        ++next[key.*half >> shift & 255];
    }
    std::uint32_t before = 0;
    for (std::uint32_t& place : next) {
        before += std::exchange(place, before);
    }
    for (const Key& key : from) {
        to[next[key.*half >> shift & 255]++] = key;
    }
}

// Lowest byte first (Knuth, TAOCP 3, 5.2.5): no comparisons to mispredict, and most batches differ
// in two or three bytes only. False: too many bytes differ for that to be faster.
bool sort_by_bytes(std::vector<Key>& keys) {
    constexpr std::size_t worth_counting = 128;  // keys, for 256 counters a pass
    constexpr int most_passes = 4;
    if (keys.size() < worth_counting) {
        return false;
    }
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    for (const Key& key : keys) {
        high |= key.high ^ keys.front().high;
        low |= key.low ^ keys.front().low;
    }
    const unsigned low_bytes = differing_bytes(low >> 32);  // without the place: keys come in order
    const unsigned high_bytes = differing_bytes(high);
    if (std::popcount(low_bytes) + std::popcount(high_bytes) > most_passes) {
        return false;
    }
    std::vector<Key> other(keys.size());
    const auto passes = [&](unsigned bytes, std::uint64_t Key::*half, unsigned shift) {
        for (; bytes != 0; bytes >>= 1, shift += 8) {
            if ((bytes & 1) != 0) {
                pass(keys, other, half, shift);
                keys.swap(other);
            }
        }
    };
    passes(low_bytes, &Key::low, 32);
    passes(high_bytes, &Key::high, 0);
    return true;
}

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
    if (!sort_by_bytes(keys)) {
        // Orson Peters, "Pattern-defeating Quicksort", 2021; section 3.1: the branchless partition.
        boost::sort::pdqsort_branchless(keys.begin(), keys.end(), Less{});
    }
    std::vector<BatchOp> sorted(ops.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
        sorted[i] = ops[static_cast<std::uint32_t>(keys[i].low)];
    }
    ops.swap(sorted);
}

}  // namespace strata::producer_impl
