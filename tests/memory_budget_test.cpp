// SPDX-License-Identifier: Apache-2.0
#include "producer/memory/memory_budget.hpp"

#include <doctest/doctest.h>

using strata::producer_impl::MemoryBudget;
using strata::producer_impl::Reserve;

TEST_CASE("the budget gives its last byte and not one more") {
    constexpr std::uint64_t limit = 1 << 20;
    MemoryBudget budget(limit);
    const std::uint64_t reserve = MemoryBudget::reserve_of(limit);
    REQUIRE(reserve > 0);
    CHECK_FALSE(budget.take(limit + 1, Reserve::use));
    CHECK_FALSE(budget.take(limit - reserve + 1, Reserve::keep));
    CHECK(budget.take(limit - reserve, Reserve::keep));
    CHECK_FALSE(budget.take(1, Reserve::keep));
    CHECK_FALSE(budget.take(reserve + 1, Reserve::use));
    CHECK(budget.take(reserve, Reserve::use));
    CHECK_FALSE(budget.take(1, Reserve::use));
    CHECK(budget.take(0, Reserve::use));
    CHECK(budget.used() == limit);
    CHECK_FALSE(budget.set_limit(limit - 1));
    budget.give_back(1);
    CHECK(budget.set_limit(limit - 1));
    CHECK_FALSE(budget.take(1, Reserve::use));
}

TEST_CASE("what is found at a restart counts, limit or not, and nothing is given on top") {
    MemoryBudget budget(1 << 20);
    budget.take_existing(2 << 20);
    CHECK(budget.used() == 2 << 20);
    CHECK_FALSE(budget.take(1, Reserve::use));
    CHECK_FALSE(budget.take(1, Reserve::keep));
    CHECK_FALSE(budget.take(~std::uint64_t{0}, Reserve::use));
}
