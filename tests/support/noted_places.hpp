// SPDX-License-Identifier: Apache-2.0
// What the look-up cache has noted of a dimension.
#pragma once

#include <cstdint>

#include "consumer/views/view.hpp"
#include <strata/strata.hpp>

namespace strata::test {

inline constexpr std::uint64_t layers = 700;

// The dense list of a dimension, if it has one.
inline const detail::DenseList* list_of(const Snapshot& snapshot, Dimension dimension) {
    const consumer_impl::View& view = *consumer_impl::Access::view_of(snapshot);
    const consumer_impl::CachedDimension* version = view.front_version(dimension);
    if (const auto* const entry = view.entry_of(dimension).entry; entry != nullptr) {
        version = entry->version.load();
    }
    return version != nullptr && version->dense.tag != 0 ? &version->dense : nullptr;
}

inline std::uint64_t noted(const Snapshot& snapshot, Dimension dimension) {
    const detail::DenseList* const list = list_of(snapshot, dimension);
    std::uint64_t count = 0;
    for (std::uint64_t layer = 0; list != nullptr && layer < list->count; ++layer) {
        count += list->word(layer) != 0 ? 1 : 0;
    }
    return count;
}

}  // namespace strata::test
