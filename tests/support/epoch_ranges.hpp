// SPDX-License-Identifier: Apache-2.0
// Ranges of epochs, asked the slow way.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "ipc/lock_table.hpp"

namespace strata::test {

inline bool contains(std::span<const ipc::EpochRange> ranges, std::uint64_t epoch) {
    return std::any_of(ranges.begin(), ranges.end(), [&](const ipc::EpochRange& range) {
        return range.first <= epoch && epoch <= range.last;
    });
}

}  // namespace strata::test
