// SPDX-License-Identifier: Apache-2.0
// The order in which a commit applies a batch.
#pragma once

#include <vector>

#include "producer/commit/batch_ops.hpp"

namespace strata::producer_impl {

/// Sorts by id; changes of one layer keep the order in which they were made. Allocates up to nine
/// words per change; std::bad_alloc leaves `ops` unchanged. O(n log n), O(n) where few bytes of the
/// ids differ.
void sort_by_id(std::vector<BatchOp>& ops);

}  // namespace strata::producer_impl
