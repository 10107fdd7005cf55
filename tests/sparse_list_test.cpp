// SPDX-License-Identifier: Apache-2.0
// The look-up cache's lists of dimensions whose layer numbers lie far apart.
#include "consumer/lookup/sparse_list.hpp"

#include <cstdint>
#include <random>
#include <vector>

#include <doctest/doctest.h>

#include "consumer/lookup/seeded_hash.hpp"

using namespace strata;
using namespace strata::consumer_impl;

namespace {

Layer layer_at(std::uint64_t address, std::uint64_t size) {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): never read
    return Layer::from_parts(reinterpret_cast<const std::byte*>(address), size, 0);
}

}  // namespace

TEST_CASE("a sparse list finds what was added, and knows what is absent once it has all") {
    constexpr std::uint64_t layers = 500;
    const SeededHash hash = SeededHash::of_process();
    const SparseList::Pointer list = SparseList::make(2 * layers, layers, 0, hash);
    REQUIRE(list);
    std::mt19937_64 random(2);
    std::vector<std::uint64_t> numbers = {0, ~std::uint64_t{0}};
    while (numbers.size() < layers) {
        numbers.push_back(random());
    }
    for (std::size_t i = 0; i < layers; ++i) {
        CHECK(list->find(numbers[i]) == detail::CachedPlace::unknown);
        list->add(numbers[i], layer_at((i + 1) * 64, i == 9 ? 0x1'0000 : i));
        list->add(numbers[i], layer_at((i + 1) * 64, i == 9 ? 0x1'0000 : i));
    }
    CHECK(list->live() == layers);
    for (std::size_t i = 0; i < layers; ++i) {
        const std::uint64_t place = list->find(numbers[i]);
        CHECK(place == (i == 9 ? detail::CachedPlace::uncached : (i + 1) * 64 << 16 | i));
    }
    CHECK(list->find(12345) == detail::CachedPlace::absent);
    // Another version: one layer went, one came, and the mapping lies elsewhere.
    list->adopt(layers, 0, 4096);
    CHECK(list->replace(numbers[3], Layer()));
    CHECK(list->find(numbers[3]) == detail::CachedPlace::absent);
    CHECK(list->find(12345) == detail::CachedPlace::unknown);  // one is not known
    CHECK(list->replace(12345, layer_at(64, 1)));
    CHECK(list->find(12345) == (std::uint64_t{64} << 16 | 1));
    CHECK(list->find(54321) == detail::CachedPlace::absent);
    CHECK(list->find(numbers[4]) == ((5 * 64 + 4096) << 16 | 4));
    const SparseList::Pointer copy = SparseList::make(4 * layers, layers, 0, hash);
    CHECK(copy->copy_from(*list));
    CHECK(copy->live() == layers);
    CHECK(copy->find(numbers[4]) == list->find(numbers[4]));
    CHECK(copy->find(numbers[3]) == detail::CachedPlace::absent);
}

TEST_CASE("a sparse list that is too small stays right") {
    constexpr std::uint64_t layers = 500;
    const SparseList::Pointer list = SparseList::make(100, layers, 0, SeededHash::of_process());
    for (std::uint64_t i = 0; i < layers; ++i) {
        list->add(i << 40, layer_at((i + 1) * 64, 8));
    }
    std::uint64_t found = 0;
    for (std::uint64_t i = 0; i < layers; ++i) {
        const std::uint64_t place = list->find(i << 40);
        CHECK((place == detail::CachedPlace::unknown || place == ((i + 1) * 64 << 16 | 8)));
        found += place != detail::CachedPlace::unknown ? 1 : 0;
    }
    CHECK(found > 50);
    CHECK(found < 100);
}
