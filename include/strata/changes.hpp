// SPDX-License-Identifier: Apache-2.0
// The difference of two snapshots of one store.
#pragma once

#include <string>
#include <vector>

#include "strata/layer.hpp"
#include "strata/snapshot.hpp"
#include "strata/types.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

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
[[nodiscard]] std::vector<Change> changes(const Snapshot& before, const Snapshot& after);

/// As above, of one dimension alone; a snapshot without it counts as one in which it is empty.
[[nodiscard]] std::vector<Change> changes(const Snapshot& before, const Snapshot& after,
                                          Dimension dimension);

/// A dimension that one of two snapshots does not have, or has under another name.
struct DimensionChange {
    enum class Kind : unsigned char { added, removed, renamed };

    Dimension dimension = 0;
    Kind kind = Kind::added;
    std::string before{};  ///< its name; empty if added
    std::string after{};   ///< its name; empty if removed
};

/// All of them, in ascending order of number; also of dimensions without a layer, of which
/// `changes` has nothing to say. One that was removed and added again in between shows as what it
/// ends as: renamed, or not at all. O(changed dimensions x tree height): no layer is read, no
/// region mapped. Throws as `changes`.
[[nodiscard]] std::vector<DimensionChange> dimension_changes(const Snapshot& before,
                                                             const Snapshot& after);

}  // namespace strata::inline STRATA_ABI_NAMESPACE
