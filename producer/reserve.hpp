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

}  // namespace strata::producer_impl
