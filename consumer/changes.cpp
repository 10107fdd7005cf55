// SPDX-License-Identifier: Apache-2.0
#include "strata/changes.hpp"

#include <algorithm>

#include "consumer/index_comparison.hpp"
#include "consumer/session.hpp"
#include "consumer/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/layer_view.hpp"

namespace strata {

using consumer_impl::View;
using ipc::IndexView;

namespace {

[[noreturn]] void fail_damaged(const View& view) {
    ipc::fail(Errc::corrupt, "compare snapshots", view.session->control().path(),
              "an index of generation " + std::to_string(view.generation) + " is damaged",
              "run a verification of the store and publish it anew");
}

template <class Report>
void compare(const View& view, const IndexView& before, const IndexView& after, bool shared,
             Report report) {
    constexpr auto any_number = ~std::uint64_t{0};
    if (!consumer_impl::IndexComparison<Report>(before, after, shared, any_number, report).run()) {
        fail_damaged(view);
    }
}

/// Index of a dimension in a view; an empty one if it has none.
IndexView index_of(View* view, Dimension dimension) {
    if (view == nullptr) {
        return {.limit = ipc::header_bytes};
    }
    if (const auto* const known = view->touched(dimension)) {
        return known->index;
    }
    const auto* const found = view->session->touch(*view, dimension);
    return found != nullptr ? found->index : IndexView{.limit = ipc::header_bytes};
}

Layer layer_of(const View& view, const IndexView& index, std::uint64_t entry) {
    if (entry == 0) {
        return {};
    }
    const Layer layer = ipc::layer_at(index, entry);
    if (!layer) {
        fail_damaged(view);
    }
    return layer;
}

void compare_dimension(View* before, View* after, Dimension dimension,
                       std::vector<Change>& result) {
    const View& view = after != nullptr ? *after : *before;
    const IndexView old_index = index_of(before, dimension);
    const IndexView new_index = index_of(after, dimension);
    const bool same_file = old_index.base == new_index.base;
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
    const IndexView nothing{.limit = ipc::header_bytes};
    const IndexView& old_directory = old_view != nullptr ? old_view->directory : nothing;
    const IndexView& new_directory = new_view != nullptr ? new_view->directory : nothing;
    const View& view = new_view != nullptr ? *new_view : *old_view;
    // Both directories are views of one file, if perhaps through two mappings of two sessions.
    const bool shared = old_view != nullptr && new_view != nullptr;
    compare(view, old_directory, new_directory, shared,
            [&](std::uint64_t dimension, std::uint64_t, std::uint64_t) {
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

}  // namespace strata
