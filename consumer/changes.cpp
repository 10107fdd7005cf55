// SPDX-License-Identifier: Apache-2.0
#include "strata/changes.hpp"

#include <algorithm>

#include "consumer/session.hpp"
#include "consumer/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/layer_view.hpp"

namespace strata {

using consumer_impl::View;
using ipc::EntryKind;
using ipc::IndexView;

namespace {

/// A subtree: its keys have `own_shift` undecided bits; seen from a higher level they continue with
/// zero digits, as below the root of a lower tree.
struct Subtree {
    std::uint64_t entry = 0;
    unsigned own_shift = 0;
};

bool is_node(std::uint64_t entry) noexcept {
    return ipc::entry_kind(entry) == EntryKind::array_node ||
           ipc::entry_kind(entry) == EntryKind::bitmap_node;
}

[[noreturn]] void fail_damaged(const View& view) {
    ipc::fail(Errc::corrupt, "compare snapshots", view.session->control().path(),
              "an index of generation " + std::to_string(view.generation) + " is damaged",
              "run a verification of the store and publish it anew");
}

/// Walks two indexes at once and reports the leaves that differ, in key order, as pairs of entry
/// words (0: none).
template <class Report>
class Comparison {
public:
    /// `shared`: both lie in one file, so equal words are one block.
    Comparison(const View& view, const IndexView& before, const IndexView& after, bool shared,
               Report report)
        : view_(view),
          before_(before),
          after_(after),
          shared_(shared),
          report_(report),
          // Nodes that two sound indexes can have; a damaged one could unfold to far more.
          nodes_left_(before.layers * before.levels + after.layers * after.levels + 64) {}

    void run() {
        const unsigned shift = std::max(before_.levels, after_.levels) * ipc::index_bits;
        visit({before_.root, before_.levels * ipc::index_bits},
              {after_.root, after_.levels * ipc::index_bits}, shift, 0);
    }

private:
    void visit(Subtree before, Subtree after, unsigned shift, std::uint64_t prefix) {
        if (shared_ && before.entry == after.entry &&
            (before.own_shift == after.own_shift || !is_node(before.entry))) {
            return;  // one block, which cannot have changed: nothing below differs
        }
        if (before.entry == 0 && after.entry == 0) {
            return;
        }
        if (!is_node(before.entry) && !is_node(after.entry)) {
            leaves(before.entry, after.entry, shift, prefix);
            return;
        }
        if (shift == 0 || nodes_left_-- == 0) {
            fail_damaged(view_);
        }
        const unsigned below = shift - ipc::index_bits;
        for (unsigned digit = 0; digit < ipc::index_fanout; ++digit) {
            const Subtree b = child(before_, before, shift, below, digit);
            const Subtree a = child(after_, after, shift, below, digit);
            if (b.entry != 0 || a.entry != 0) {
                visit(b, a, below, (prefix << ipc::index_bits) | digit);
            }
        }
    }

    std::uint64_t key_of(const IndexView& index, std::uint64_t entry) const {
        if (!ipc::block_in_range(index, entry)) {
            fail_damaged(view_);
        }
        return ipc::block_key(index, entry);
    }

    // The child of a node, or of what stands for one: a lone layer, or the root of a lower tree.
    Subtree child(const IndexView& index, Subtree tree, unsigned shift, unsigned below,
                  unsigned digit) const {
        if (tree.entry == 0) {
            return {};
        }
        if (!is_node(tree.entry)) {
            const std::uint64_t key = key_of(index, tree.entry);
            const bool here = ((key >> below) & (ipc::index_fanout - 1)) == digit;
            return here ? Subtree{tree.entry, below} : Subtree{};
        }
        if (tree.own_shift < shift) {
            return digit == 0 ? tree : Subtree{};
        }
        std::uint64_t entry = 0;
        if (!ipc::load_child(index, tree.entry, digit, entry)) {
            fail_damaged(view_);
        }
        return {entry, below};
    }

    void leaves(std::uint64_t before, std::uint64_t after, unsigned shift, std::uint64_t prefix) {
        const std::uint64_t old_key =
            before == 0 ? 0 : (shift == 0 ? prefix : key_of(before_, before));
        const std::uint64_t new_key =
            after == 0 ? 0 : (shift == 0 ? prefix : key_of(after_, after));
        if (before != 0 && after != 0 && old_key != new_key) {
            if (old_key < new_key) {
                report_(old_key, before, std::uint64_t{0});
                report_(new_key, std::uint64_t{0}, after);
            } else {
                report_(new_key, std::uint64_t{0}, after);
                report_(old_key, before, std::uint64_t{0});
            }
        } else {
            report_(before != 0 ? old_key : new_key, before, after);
        }
    }

    const View& view_;
    const IndexView& before_;
    const IndexView& after_;
    const bool shared_;
    Report report_;
    std::uint64_t nodes_left_;
};

template <class Report>
void compare(const View& view, const IndexView& before, const IndexView& after, bool shared,
             Report report) {
    Comparison<Report>(view, before, after, shared, report).run();
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
