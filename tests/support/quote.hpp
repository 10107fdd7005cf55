// SPDX-License-Identifier: Apache-2.0
// A value of a type of its own, and where it has to lie.
#pragma once

#include <cstddef>
#include <cstdint>

#include "strata/layer.hpp"

namespace strata::test {

struct Quote {
    std::int64_t price;
    std::int32_t size;
    std::int32_t venue;
};

inline bool is_aligned(const Layer& layer, std::size_t alignment) {
    return reinterpret_cast<std::uintptr_t>(layer.data()) % alignment == 0;
}

}  // namespace strata::test
