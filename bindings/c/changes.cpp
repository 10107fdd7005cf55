// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "handles.hpp"

using namespace strata::bindings;  // NOLINT(google-build-using-namespace): the functions are C's

struct strata_changes {
    SnapshotReference before;
    SnapshotReference after;
    std::vector<strata_change> changes;
};

struct strata_dimension_changes {
    std::vector<strata::DimensionChange> changes;
};

namespace {

static_assert(static_cast<int>(strata::Change::Kind::added) == STRATA_ADDED &&
              static_cast<int>(strata::Change::Kind::updated) == STRATA_UPDATED &&
              static_cast<int>(strata::Change::Kind::removed) == STRATA_REMOVED);

static_assert(static_cast<int>(strata::DimensionChange::Kind::added) == STRATA_DIMENSION_ADDED &&
              static_cast<int>(strata::DimensionChange::Kind::removed) ==
                  STRATA_DIMENSION_REMOVED &&
              static_cast<int>(strata::DimensionChange::Kind::renamed) == STRATA_DIMENSION_RENAMED);

/// NULL: an empty store.
strata::Snapshot earlier(const strata_snapshot* before) {
    return before == nullptr ? strata::Snapshot() : before->snapshot;
}

template <class... Dimension>
strata_changes* between(strata_snapshot* before, strata_snapshot* after, Dimension... dimension) {
    need(after, "after is NULL");
    const std::vector<strata::Change> known =
        strata::changes(earlier(before), after->snapshot, dimension...);
    std::vector<strata_change> list;
    list.reserve(known.size());
    for (const strata::Change& change : known) {
        list.push_back({{change.id.dimension, 0, change.id.layer},
                        static_cast<uint32_t>(change.kind),
                        0,
                        layer_of(change.before),
                        layer_of(change.after)});
    }
    return new strata_changes{SnapshotReference(before), SnapshotReference(after), std::move(list)};
}

}  // namespace

strata_status strata_changes_between(strata_snapshot* before, strata_snapshot* after,
                                     strata_changes** changes, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(changes, "changes is NULL");
        *changes = between(before, after);
    });
}

strata_status strata_changes_in(strata_snapshot* before, strata_snapshot* after, uint32_t dimension,
                                strata_changes** changes, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(changes, "changes is NULL");
        *changes = between(before, after, dimension);
    });
}

size_t strata_changes_size(const strata_changes* changes) {
    return changes == nullptr ? 0 : changes->changes.size();
}

const strata_change* strata_changes_data(const strata_changes* changes) {
    return changes == nullptr || changes->changes.empty() ? nullptr : changes->changes.data();
}

void strata_changes_free(strata_changes* changes) { delete changes; }

strata_status strata_dimension_changes_between(strata_snapshot* before, strata_snapshot* after,
                                               strata_dimension_changes** changes,
                                               strata_error* error) {
    return guarded(__func__, error, [&] {
        need(changes, "changes is NULL");
        need(after, "after is NULL");
        *changes = new strata_dimension_changes{
            strata::dimension_changes(earlier(before), after->snapshot)};
    });
}

size_t strata_dimension_changes_size(const strata_dimension_changes* changes) {
    return changes == nullptr ? 0 : changes->changes.size();
}

strata_status strata_dimension_changes_get(const strata_dimension_changes* changes, size_t index,
                                           strata_dimension_change* change, strata_error* error) {
    return guarded(__func__, error, [&] {
        need(change, "change is NULL");
        if (index >= need(changes, "changes is NULL")->changes.size()) {
            throw BadArgument{"index is beyond the end of the list"};
        }
        const strata::DimensionChange& known = changes->changes[index];
        strata_dimension_change out{};
        out.dimension = known.dimension;
        out.kind = static_cast<uint32_t>(known.kind);
        out.before = string_of(known.before);
        out.after = string_of(known.after);
        give_struct(change, out);
    });
}

void strata_dimension_changes_free(strata_dimension_changes* changes) { delete changes; }
