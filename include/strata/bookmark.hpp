// SPDX-License-Identifier: Apache-2.0
// A bookmark: a generation that is kept under a name until the name is removed, whoever is producer
// meanwhile. Set and removed by the Producer, read by any Consumer.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// Of a store, those included whose name is gone and that some reader still reads.
inline constexpr std::size_t max_bookmarks = 64;
/// A name has 1 to 63 bytes, any but NUL; UTF-8 by convention.
inline constexpr std::size_t max_bookmark_name_bytes = 63;

struct Bookmark {
    std::string name{};
    Generation generation = 0;
    std::chrono::system_clock::time_point made_at{};  ///< when this generation got the name
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE
