// SPDX-License-Identifier: Apache-2.0
// Memory runs out while one store takes the place of another: whoever is told so finds the old one,
// and afterwards nothing is in the way of the next.
#include <cstdint>
#include <new>
#include <string>

#include <doctest/doctest.h>

#include "tests/support/failing_allocations.hpp"
#include "tests/support/temp_store.hpp"

using namespace strata;
using namespace strata::test;

TEST_CASE("a store that takes another's place has done so, or is said not to for want of memory") {
    const TempStore old;
    const TempStore next;
    std::uint64_t refused = 0;
    bool met = true;
    for (std::uint64_t n = 0; met; ++n) {
        CAPTURE(n);
        for (const TempStore* const store : {&old, &next}) {
            Producer producer = Producer::open_or_create(store->name(), store->producer_options());
            publish(producer, {1, 1}, store == &old ? "old" : "next");
        }
        bool failed = false;
        {
            const FailAfter fault(n);
            try {
                move_store(next.name(), next.base(), old.base(), true);
            } catch (const std::bad_alloc&) {
                failed = true;
                ++refused;
            }
            met = allocations_left == never;
        }
        const std::string now(old.attach().snapshot().get({1, 1}).text());
        CHECK(now == (failed ? "old" : "next"));
    }
    CHECK(refused > 5);
}
