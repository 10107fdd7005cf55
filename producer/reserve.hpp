// SPDX-License-Identifier: Apache-2.0
// Room made ahead, so that what comes after cannot fail.
#pragma once

#include <algorithm>
#include <cstddef>

namespace strata::producer_impl {

/// Makes room for `count` more elements; grows as push_back does, for many calls in a row.
template <class Vector>
void reserve_more(Vector& vector, std::size_t count) {
    if (vector.capacity() - vector.size() < count) {
        vector.reserve(std::max(vector.size() + count, 2 * vector.capacity()));
    }
}

/// The same for a hash table.
template <class Table>
void reserve_buckets(Table& table, std::size_t count) {
    const std::size_t needed = table.size() + count;
    const auto room = static_cast<std::size_t>(static_cast<float>(table.bucket_count()) *
                                               table.max_load_factor());
    // The one bucket that an empty table begins with is replaced at the first insertion.
    if (needed > room || table.bucket_count() == 1) {
        table.reserve(2 * needed);
    }
}

}  // namespace strata::producer_impl
