// SPDX-License-Identifier: Apache-2.0
// Comparing who may read two files of a store.
#pragma once

#include "strata/store.hpp"

namespace strata::producer_impl {

/// Whether the one lets somebody read whom the other does not.
inline bool admits_more(const FileAccess& one, const FileAccess& other) noexcept {
    const bool other_group = (one.mode & 040U) != 0 && one.group != other.group;
    return (one.mode & ~other.mode) != 0 || other_group;
}

}  // namespace strata::producer_impl
