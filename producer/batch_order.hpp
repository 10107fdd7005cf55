// SPDX-License-Identifier: Apache-2.0
// The order in which a commit applies a batch.
#pragma once

#include <vector>

#include "producer/batch_state.hpp"

namespace strata::producer_impl {

/// Sorts by id; changes of one layer keep the order in which they were made. Allocates a word or
/// four per change; std::bad_alloc leaves `ops` as it was. O(n log n).
void sort_by_id(std::vector<BatchOp>& ops);

}  // namespace strata::producer_impl
