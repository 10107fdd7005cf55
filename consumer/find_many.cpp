// SPDX-License-Identifier: Apache-2.0
// Looking up many layers at once: while one look-up waits for memory the others' loads are under
// way.
#include <algorithm>
#include <array>

#include "consumer/session.hpp"
#include "consumer/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/layer_view.hpp"
#include "strata/snapshot.hpp"

namespace strata {

using consumer_impl::TouchedDimension;
using consumer_impl::View;

namespace {

constexpr std::size_t group = 16;  // look-ups under way together

/// What could not be taken from noted places, to be walked together.
struct Pending {
    struct Walk {
        TouchedDimension* dimension;
        std::uint64_t word;
        std::uint32_t shift;
        std::size_t at;  // in `ids` and `out`
    };
    std::array<Walk, group> walks;
    std::size_t count = 0;
};

void prefetch_payload(const Layer& layer) noexcept {
    // First and last line: most payloads are read from end to end, and the hardware sees to the
    // rest.
    __builtin_prefetch(layer.data());
    __builtin_prefetch(layer.data() + layer.size());
}

// One step down for every walk that has not ended.
void descend(Pending& pending, std::span<const LayerId> ids) noexcept {
    for (std::size_t i = 0; i < pending.count; ++i) {
        Pending::Walk& walk = pending.walks[i];
        const auto kind = ipc::entry_kind(walk.word);
        if (kind != ipc::EntryKind::array_node && kind != ipc::EntryKind::bitmap_node) {
            continue;
        }
        const ipc::IndexView& index = walk.dimension->index;
        if (walk.shift == 0) {
            walk.word = 0;  // a node below the lowest level: damaged
            continue;
        }
        const std::uint64_t key = ids[walk.at].layer;
        walk.shift -= ipc::index_bits;
        const auto digit = static_cast<unsigned>(key >> walk.shift) & (ipc::index_fanout - 1);
        if (!ipc::load_child(index, walk.word, digit, walk.word)) {
            walk.word = 0;
            continue;
        }
        // Where the next step will look. Never faults, whatever the offset.
        const unsigned next = walk.shift >= ipc::index_bits
                                  ? static_cast<unsigned>(key >> (walk.shift - ipc::index_bits)) &
                                        (ipc::index_fanout - 1)
                                  : 0;
        const std::byte* const block = index.base + ipc::entry_offset(walk.word);
        const auto child = ipc::entry_kind(walk.word);
        __builtin_prefetch(child == ipc::EntryKind::array_node ? block + next * 8
                           : child == ipc::EntryKind::layer    ? block + sizeof(ipc::LayerHeader)
                                                               : block);
    }
}

void walk_down(View& view, Pending& pending, std::span<const LayerId> ids, std::span<Layer> out) {
    unsigned levels = 0;
    for (std::size_t i = 0; i < pending.count; ++i) {
        levels = std::max(levels, pending.walks[i].dimension->index.levels);
    }
    for (unsigned level = 0; level < levels; ++level) {
        descend(pending, ids);
    }
    for (std::size_t i = 0; i < pending.count; ++i) {
        const Pending::Walk& walk = pending.walks[i];
        if (ipc::entry_kind(walk.word) != ipc::EntryKind::layer) {
            continue;
        }
        const ipc::IndexView& index = walk.dimension->index;
        const std::uint64_t key = ids[walk.at].layer;
        const Layer layer = ipc::layer_at(index, walk.word);
        if (layer && (walk.shift == 0 || ipc::block_key(index, walk.word) == key)) {
            view.session->found(view, *walk.dimension, key, layer);
            out[walk.at] = layer;
        }
    }
    pending.count = 0;
}

void prefetch_place(const View& view, LayerId id) noexcept {
    const detail::PlaceList& list = view.list_for(id);
    if (list.can_note(id)) {
        __builtin_prefetch(list.places + id.layer);
    }
}

// To be found by walking down the index, if there is such a dimension.
void add_walk(View& view, Pending& pending, LayerId id, std::size_t at) noexcept {
    TouchedDimension* const dimension = view.session->dimension_of(view, id.dimension);
    if (dimension == nullptr) {
        return;
    }
    const unsigned shift = dimension->index.levels * ipc::index_bits;
    if (shift >= 64 || (id.layer >> shift) == 0) {
        pending.walks[pending.count++] = {dimension, dimension->index.root, shift, at};
    }
}

}  // namespace

void Snapshot::find(std::span<const LayerId> ids, std::span<Layer> out) const noexcept {
    if (out.size() < ids.size()) {
        ipc::bug("Snapshot::find: `out` is shorter than `ids`");
    }
    View* const view = consumer_impl::Access::view_of(*this);
    if (view == nullptr) {
        std::fill_n(out.begin(), ids.size(), Layer());
        return;
    }
    for (std::size_t i = 0; i < std::min(group, ids.size()); ++i) {
        prefetch_place(*view, ids[i]);
    }
    Pending pending;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (i + group < ids.size()) {
            prefetch_place(*view, ids[i + group]);
        }
        const detail::PlaceList& list = view->list_for(ids[i]);
        if (const std::uint64_t place = list.place_of(ids[i]); place != 0) [[likely]] {
            out[i] = list.layer_at(place);
            prefetch_payload(out[i]);
            continue;
        }
        out[i] = {};
        add_walk(*view, pending, ids[i], i);
        if (pending.count == group) {
            walk_down(*view, pending, ids, out);
        }
    }
    walk_down(*view, pending, ids, out);
}

}  // namespace strata
