// SPDX-License-Identifier: Apache-2.0
#include "strata/changes.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "consumer/attachment/session.hpp"
#include "consumer/views/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/index/difference.hpp"
#include "ipc/index/find.hpp"
#include "ipc/os/fault.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using consumer_impl::View;
using ipc::IndexView;

namespace {

// `index`: the one that does not lead where it should.
[[noreturn]] void fail_damaged(const View& view, const IndexView& index) {
    ipc::fail(Errc::corrupt, "compare snapshots", ipc::mapped_path(index.base),
              "an index of generation " + std::to_string(view.generation) + " is damaged",
              "run a verification of the store and publish it anew");
}

template <class Report>
void compare(const View& view, const IndexView& before, const IndexView& after, bool shared,
             Report report) {
    constexpr auto any_number = ~std::uint64_t{0};
    if (!ipc::IndexComparison<Report>(before, after, shared, any_number, report).run()) {
        fail_damaged(view, after.base != nullptr ? after : before);
    }
}

/// Index of a dimension in a view; an empty one if it has none.
struct FoundIndex {
    IndexView index{.limit = ipc::header_bytes};
    std::uint64_t serial = 0;  // of the region file; 0: none
};

FoundIndex index_of(View* view, Dimension dimension) {
    if (view != nullptr) {
        if (const auto* const found = view->session->dimension_of(*view, dimension)) {
            return {found->index, found->serial};
        }
    }
    return {};
}

Layer layer_of(const View& view, const IndexView& index, std::uint64_t entry) {
    if (entry == 0) {
        return {};
    }
    const Layer layer = ipc::layer_at(index, entry);
    if (!layer) {
        fail_damaged(view, index);
    }
    return layer;
}

void compare_dimension(View* before, View* after, Dimension dimension,
                       std::vector<Change>& result) {
    const View& view = after != nullptr ? *after : *before;
    const auto old_place = index_of(before, dimension);
    const auto new_place = index_of(after, dimension);
    const IndexView& old_index = old_place.index;
    const IndexView& new_index = new_place.index;
    // If perhaps through two mappings.
    const bool same_file = old_place.serial == new_place.serial;
    compare(view, old_index, new_index, same_file,
            [&](std::uint64_t key, std::uint64_t old_entry, std::uint64_t new_entry) {
                Change change{.id = {dimension, key},
                              .kind = Change::Kind::updated,
                              .before = layer_of(view, old_index, old_entry),
                              .after = layer_of(view, new_index, new_entry)};
                if (!change.before) {
                    change.kind = Change::Kind::added;
                } else if (!change.after) {
                    change.kind = Change::Kind::removed;
                } else if (!same_file && change.before.generation() == change.after.generation() &&
                           change.before.checksum() == change.after.checksum()) {
                    return;  // the same layer, moved to another file
                }
                result.push_back(change);
            });
}

// Reports each dimension whose record differs: number, entry before, entry after; 0: there is none.
template <class Report>
void compare_directories(const View* before, const View* after, Report report) {
    const IndexView nothing{.limit = ipc::header_bytes};
    const IndexView& old_directory = before != nullptr ? before->directory : nothing;
    const IndexView& new_directory = after != nullptr ? after->directory : nothing;
    // Both directories are views of one file, if perhaps through two mappings of two sessions.
    const bool shared = before != nullptr && after != nullptr;
    compare(after != nullptr ? *after : *before, old_directory, new_directory, shared, report);
}

std::string name_of(const View* view, std::uint64_t entry) {
    if (entry == 0) {
        return {};
    }
    const ipc::DimensionRecord record =
        view->session->control().record_at(view->directory, entry, "compare snapshots");
    return {record.name, record.name_bytes};
}

void require_same_store(const View* before, const View* after) {
    if (before == nullptr || after == nullptr) {
        return;
    }
    const auto& old_id = before->session->control().identity().store_id;
    const auto& new_id = after->session->control().identity().store_id;
    if (!std::equal(std::begin(old_id), std::end(old_id), std::begin(new_id))) {
        ipc::fail(Errc::invalid_argument, "compare snapshots", after->session->control().path(),
                  "the snapshots are of two different stores",
                  "a store that was replaced shares nothing with its successor");
    }
}

}  // namespace

std::vector<Change> changes(const Snapshot& before, const Snapshot& after) {
    View* const old_view = consumer_impl::Access::view_of(before);
    View* const new_view = consumer_impl::Access::view_of(after);
    std::vector<Change> result;
    if (old_view == new_view) {
        return result;
    }
    require_same_store(old_view, new_view);
    compare_directories(
        old_view, new_view, [&](std::uint64_t dimension, std::uint64_t, std::uint64_t) {
            compare_dimension(old_view, new_view, static_cast<Dimension>(dimension), result);
        });
    return result;
}

std::vector<Change> changes(const Snapshot& before, const Snapshot& after, Dimension dimension) {
    View* const old_view = consumer_impl::Access::view_of(before);
    View* const new_view = consumer_impl::Access::view_of(after);
    std::vector<Change> result;
    if (old_view != new_view) {
        require_same_store(old_view, new_view);
        compare_dimension(old_view, new_view, dimension, result);
    }
    return result;
}

std::vector<DimensionChange> dimension_changes(const Snapshot& before, const Snapshot& after) {
    const View* const old_view = consumer_impl::Access::view_of(before);
    const View* const new_view = consumer_impl::Access::view_of(after);
    std::vector<DimensionChange> result;
    if (old_view == new_view) {
        return result;
    }
    require_same_store(old_view, new_view);
    using Kind = DimensionChange::Kind;
    compare_directories(
        old_view, new_view,
        [&](std::uint64_t dimension, std::uint64_t old_entry, std::uint64_t new_entry) {
            DimensionChange change{.dimension = static_cast<Dimension>(dimension),
                                   .kind = old_entry == 0   ? Kind::added
                                           : new_entry == 0 ? Kind::removed
                                                            : Kind::renamed,
                                   .before = name_of(old_view, old_entry),
                                   .after = name_of(new_view, new_entry)};
            if (change.kind != Kind::renamed || change.before != change.after) {
                result.push_back(std::move(change));
            }
        });
    return result;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
