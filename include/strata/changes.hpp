// SPDX-License-Identifier: Apache-2.0
// The difference of two snapshots of one store.
#pragma once

#include <vector>

#include "strata/layer.hpp"
#include "strata/snapshot.hpp"
#include "strata/types.hpp"

namespace strata {

/// One layer that differs between two snapshots.
struct Change {
    enum class Kind : unsigned char { added, updated, removed };

    LayerId id{};
    Kind kind = Kind::added;
    Layer before{};  ///< empty if added; valid while the `before` snapshot lives
    Layer after{};   ///< empty if removed; valid while the `after` snapshot lives
};

/// Everything that differs, in ascending order of id. A layer that was put again counts as updated
/// even if its bytes are the same. Either snapshot may be the older one; an empty Snapshot counts
/// as an empty store.
///
/// Cost: O(changes x tree height), not O(layers): the two generations share the index nodes that
/// did not change, and equal offsets mean equal subtrees (Driscoll et al., "Making Data Structures
/// Persistent", 1989, on path copying). Throws Error{invalid_argument} if the snapshots are of
/// different stores, Error{corrupt} on damaged index bytes, std::bad_alloc.
std::vector<Change> changes(const Snapshot& before, const Snapshot& after);

/// As above, of one dimension alone; a snapshot without it counts as one in which it is empty.
std::vector<Change> changes(const Snapshot& before, const Snapshot& after, Dimension dimension);

}  // namespace strata
