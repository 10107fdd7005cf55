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

constexpr std::size_t group = 16;  // walks under way together
// A noted dimension of so few layers is likely to lie in the caches: two lines of each payload are
// 2 MiB.
constexpr std::uint64_t most_cached = 16384;
// Payloads that are fetched for the caller. More of them would push each other out of the
// innermost cache before he comes to them; from there on his own loop overlaps its misses.
constexpr std::size_t most_fetched = 256;

/// What could not be taken from noted places, to be walked together.
struct Pending {
    struct Walk {
        TouchedDimension* dimension;
        std::uint64_t word;
        std::uint32_t shift;
        std::uint64_t key;
        std::size_t at;  // in `out`
    };
    std::array<Walk, group> walks;
    std::size_t count = 0;
};

// One step down for every walk that has not ended.
void descend(Pending& pending) noexcept {
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
        const std::uint64_t key = walk.key;
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

void walk_down(View& view, Pending& pending, std::span<Layer> out) {
    unsigned levels = 0;
    for (std::size_t i = 0; i < pending.count; ++i) {
        levels = std::max(levels, pending.walks[i].dimension->index.levels);
    }
    for (unsigned level = 0; level < levels; ++level) {
        descend(pending);
    }
    for (std::size_t i = 0; i < pending.count; ++i) {
        const Pending::Walk& walk = pending.walks[i];
        if (ipc::entry_kind(walk.word) != ipc::EntryKind::layer) {
            continue;
        }
        const ipc::IndexView& index = walk.dimension->index;
        const std::uint64_t key = walk.key;
        const Layer layer = ipc::layer_at(index, walk.word);
        if (layer && (walk.shift == 0 || ipc::block_key(index, walk.word) == key)) {
            view.session->found(view, *walk.dimension, key, layer);
            out[walk.at] = layer;
        }
    }
    pending.count = 0;
}

// To be found by walking down the index, if there is such a dimension.
void add_walk(View& view, Pending& pending, LayerId id, std::size_t at) noexcept {
    TouchedDimension* const dimension = view.session->dimension_of(view, id.dimension);
    if (dimension == nullptr) {
        return;
    }
    const unsigned shift = dimension->index.levels * ipc::index_bits;
    if (shift >= 64 || (id.layer >> shift) == 0) {
        pending.walks[pending.count++] = {dimension, dimension->index.root, shift, id.layer, at};
    }
}

// Takes places from the dimension's list, for [i, end) as long as they are noted there. Returns the
// first that is not. `fetch`: also has the payloads' first and last line fetched, as most are read
// from end to end and the hardware sees to the rest.
template <bool fetch, class Ids>
std::size_t take_noted(const detail::PlaceList& list, Dimension dimension, std::uint64_t count,
                       const Ids& ids, std::size_t i, std::size_t end,
                       std::span<Layer> out) noexcept {
    // Copies: what is stored to `out` could be the list, as far as the compiler knows.
    std::uint64_t* const places = list.places;
    const std::uint64_t slot_word = list.slot_word;
    for (; i < end; ++i) {
        const std::uint64_t layer = ids.layer(i);
        if (ids.dimension(i) != dimension || layer >= count) [[unlikely]] {
            break;
        }
        const std::uint64_t place = detail::PlaceList::load(places, layer);
        if (place == 0) [[unlikely]] {
            break;
        }
        const Layer found = detail::PlaceList::layer_of(place, slot_word);
        out[i] = found;
        if constexpr (fetch) {
            __builtin_prefetch(found.data());
            __builtin_prefetch(found.data() + found.size() - 1);  // never faults, also if empty
        }
    }
    return i;
}

// What is looked for: layers of any dimensions, or of one.
struct AnyIds {
    std::span<const LayerId> ids;
    std::size_t size() const noexcept { return ids.size(); }
    std::uint64_t layer(std::size_t i) const noexcept { return ids[i].layer; }
    Dimension dimension(std::size_t i) const noexcept { return ids[i].dimension; }
};
struct IdsOfOne {
    Dimension one;
    std::span<const std::uint64_t> layers;
    std::size_t size() const noexcept { return layers.size(); }
    std::uint64_t layer(std::size_t i) const noexcept { return layers[i]; }
    Dimension dimension(std::size_t) const noexcept { return one; }
};

template <class Ids>
void find_all(View* view, const Ids& ids, std::span<Layer> out) noexcept {
    if (out.size() < ids.size()) {
        ipc::bug("Snapshot::find: `out` is shorter than what is looked for");
    }
    if (view == nullptr) {
        std::fill_n(out.begin(), ids.size(), Layer());
        return;
    }
    Pending pending;
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const Dimension dimension = ids.dimension(i);
        const detail::PlaceList& list = view->list_for({dimension, 0});
        if (const std::uint64_t count = list.count_of(dimension); count != 0) {
            if (count > most_cached) {
                const std::size_t end = std::min(ids.size(), most_fetched);
                i = take_noted<true>(list, dimension, count, ids, i, end, out);
            }
            i = take_noted<false>(list, dimension, count, ids, i, ids.size(), out);
            if (i == ids.size()) {
                break;
            }
        }
        out[i] = {};
        add_walk(*view, pending, {ids.dimension(i), ids.layer(i)}, i);
        if (pending.count == group) {
            walk_down(*view, pending, out);
        }
    }
    walk_down(*view, pending, out);
}

}  // namespace

void Snapshot::find(std::span<const LayerId> ids, std::span<Layer> out) const noexcept {
    find_all(consumer_impl::Access::view_of(*this), AnyIds{ids}, out);
}

void Snapshot::find(Dimension dimension, std::span<const std::uint64_t> layers,
                    std::span<Layer> out) const noexcept {
    find_all(consumer_impl::Access::view_of(*this), IdsOfOne{dimension, layers}, out);
}

}  // namespace strata
