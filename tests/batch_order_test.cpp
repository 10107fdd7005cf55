// SPDX-License-Identifier: Apache-2.0
// The order of a batch against a stable sort, for ids that differ in few bytes and in all.
#include "producer/commit/batch_order.hpp"

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include <doctest/doctest.h>

using namespace strata;
using namespace strata::producer_impl;

namespace {

bool same(const std::vector<BatchOp>& a, const std::vector<BatchOp>& b) {
    return std::equal(
        a.begin(), a.end(), b.begin(), b.end(),
        [](const BatchOp& x, const BatchOp& y) { return x.id == y.id && x.header == y.header; });
}

}  // namespace

TEST_CASE("changes are sorted by id, those of one layer in the order in which they were made") {
    std::mt19937_64 random(3);
    const std::uint64_t top = std::uint64_t{1} << 63;
    // What a dimension and a layer may have set: one byte, several, the ends of a word, everything.
    const std::uint64_t layer_masks[] = {
        0, 0xFF, 0xFFFF, 0x3FF00FF, top | 1, 0x7'0000'0000, 0xFFFF'FFFF'FFFF, ~std::uint64_t{0}};
    const std::uint32_t dimension_masks[] = {0, 3, 0xFF, 0x1000, 0xFF00'00FF, ~std::uint32_t{0}};
    for (const std::size_t count : {0U, 1U, 2U, 127U, 128U, 129U, 1000U, 5000U}) {
        for (const std::uint64_t layers : layer_masks) {
            for (const std::uint32_t dimensions : dimension_masks) {
                std::vector<BatchOp> ops(count);
                for (std::size_t i = 0; i < count; ++i) {
                    ops[i].id = {static_cast<std::uint32_t>(random()) & dimensions,
                                 random() & layers};
                    ops[i].header = i;
                }
                std::vector<BatchOp> expected = ops;
                std::stable_sort(expected.begin(), expected.end(),
                                 [](const BatchOp& a, const BatchOp& b) { return a.id < b.id; });
                sort_by_id(ops);
                CAPTURE(count);
                CAPTURE(layers);
                CAPTURE(dimensions);
                REQUIRE(same(ops, expected));
                sort_by_id(ops);  // sorted already
                REQUIRE(same(ops, expected));
            }
        }
    }
}
