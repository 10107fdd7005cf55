// SPDX-License-Identifier: Apache-2.0
// When a view gets place lists, and how long it keeps them. See strata/place_table.hpp.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "consumer/index_comparison.hpp"
#include "consumer/session.hpp"
#include "ipc/layer_view.hpp"

namespace strata::consumer_impl {

namespace {

// The largest layer number, or nothing if the index is empty or damaged. A block may lie about its
// number: then less, or nothing, is noted.
std::optional<std::uint64_t> largest_layer(const ipc::IndexView& index) noexcept {
    std::uint64_t word = index.root;
    for (unsigned level = 0; level <= index.levels; ++level) {
        if (ipc::entry_kind(word) == ipc::EntryKind::layer) {
            return ipc::block_in_range(index, word) ? std::optional(ipc::block_key(index, word))
                                                    : std::nullopt;
        }
        if (ipc::entry_kind(word) == ipc::EntryKind::nothing) {
            return std::nullopt;
        }
        const std::uint64_t node = word;
        word = 0;
        for (unsigned digit = ipc::index_fanout; digit-- > 0 && word == 0;) {
            if (!ipc::load_child(index, node, digit, word)) {
                return std::nullopt;
            }
        }
    }
    return std::nullopt;
}

}  // namespace

void Session::open_place_list(View& view, TouchedDimension& dimension) noexcept {
    const ipc::IndexView& index = dimension.index;
    const auto largest = largest_layer(index);
    const std::uint64_t budget = std::min(options_.place_memory_bytes / sizeof(std::uint64_t),
                                          detail::PlaceList::most_places);
    if (!largest || *largest >= budget || *largest / 4 > index.layers) {
        return;
    }
    const auto number = static_cast<Dimension>(dimension.tag.load(std::memory_order_relaxed));
    const std::lock_guard lock(mutex_);
    detail::PlaceList& list = view.lists[number % detail::PlaceTable::size];
    if (list.tag.load(std::memory_order_relaxed) != 0) {
        return;  // done meanwhile, or the place belongs to another dimension
    }
    list.base = index.base;
    list.slot_word = std::uint64_t{index.slot} << Layer::slot_shift;
    try {
        view.place_arrays.reserve(view.place_arrays.size() + 1);
    } catch (const std::bad_alloc&) {
        return;
    }
    View* const before = last_with_places(view, number, index);
    const std::uint32_t for_copy = std::exchange(dimension.walks_for_copy, 0);
    PlaceArray array =
        before != nullptr ? take_places(*before, number, *largest + 1) : PlaceArray{};
    if (!array.places && for_copy != 0) {
        dimension.walks_left.store(for_copy, std::memory_order_relaxed);
        return;
    }
    if (!array.places) {
        array = before != nullptr ? copy_places(*before->list_of(number), *largest + 1)
                                  : new_places(*largest + 1, 0);
    }
    if (!array.places) {
        return;
    }
    array.list = number % detail::PlaceTable::size;
    list.count = array.bytes / sizeof(std::uint64_t);
    list.places = array.places.get();
    if (before != nullptr) {
        correct_places(list, before->touched(number)->index, index);
    }
    view.place_arrays.push_back(std::move(array));  // room was made above
    // Release; partners: the acquires in PlaceList::can_note and in `found`.
    list.tag.store(detail::PlaceList::tag_of(number, list.count), std::memory_order_release);
    dimension.list.store(&list, std::memory_order_release);
}

// The last retired view that has noted places of the dimension in the same file. Its pin stands as
// long as it is among the retired views, so its nodes are still what they were and equal words lead
// to equal bytes. Mutex held.
View* Session::last_with_places(const View& view, Dimension number,
                                const ipc::IndexView& index) const noexcept {
    const auto found =
        std::find_if(retired_views_.rbegin(), retired_views_.rend(), [&](const View* other) {
            const detail::PlaceList* const noted = other->list_of(number);
            return other != &view && noted != nullptr && noted->base == index.base &&
                   other->touched(number) != nullptr;
        });
    return found != retired_views_.rend() ? *found : nullptr;
}

// Room for `count` places, the first `kept` of them not set yet. Empty if there is none. Mutex
// held.
PlaceArray Session::new_places(std::uint64_t count, std::uint64_t kept) noexcept {
    const std::uint64_t bytes = count * sizeof(std::uint64_t);
    PlaceArray array;
    if (bytes > options_.place_memory_bytes - place_bytes_) {
        return array;
    }
    auto* const places =
        static_cast<std::uint64_t*>(kept == 0 ? std::calloc(count, sizeof(std::uint64_t))
                                              : std::malloc(count * sizeof(std::uint64_t)));
    if (places != nullptr) {
        std::fill(places + kept, places + (kept != 0 ? count : 0), 0);
        array.places.reset(places);
        array.bytes = bytes;
        place_bytes_ += bytes;
    }
    return array;
}

// The array of a generation that nobody holds any more, if it has at least `count` places. Mutex
// held.
PlaceArray Session::take_places(View& before, Dimension number, std::uint64_t count) noexcept {
    detail::PlaceList& noted = before.lists[number % detail::PlaceTable::size];
    if (count > noted.count || !is_abandoned(&before)) {
        return {};
    }
    noted.tag.store(0, std::memory_order_relaxed);
    before.touched(number)->list.store(nullptr, std::memory_order_relaxed);
    const auto own = std::find_if(
        before.place_arrays.begin(), before.place_arrays.end(),
        [&](const PlaceArray& a) { return a.list == number % detail::PlaceTable::size; });
    PlaceArray array = std::move(*own);
    before.place_arrays.erase(own);
    return array;
}

// At least `count` places. Mutex held.
PlaceArray Session::copy_places(const detail::PlaceList& noted, std::uint64_t count) noexcept {
    // Room for an eighth more: who appends again and again does not copy again and again.
    const std::uint64_t kept = std::min(count, noted.count);
    const std::uint64_t roomy = std::min(count + count / 8, detail::PlaceList::most_places);
    PlaceArray array = new_places(count <= noted.count ? count : roomy, kept);
    for (std::uint64_t layer = 0; array.places && layer < kept; ++layer) {
        array.places[layer] = noted.place(layer);
    }
    return array;
}

// The dimension was just added to the view: a list comes early if it need only be taken over. Mutex
// held.
void Session::expect_places(const View& view, TouchedDimension& dimension) const noexcept {
    const auto number = static_cast<Dimension>(dimension.tag.load(std::memory_order_relaxed));
    const std::uint32_t walks = dimension.walks_left.load(std::memory_order_relaxed);
    if (walks > View::walks_worth_inheriting &&
        last_with_places(view, number, dimension.index) != nullptr) {
        dimension.walks_for_copy = walks - View::walks_worth_inheriting;
        dimension.walks_left.store(View::walks_worth_inheriting, std::memory_order_relaxed);
    }
}

// Sees to what differs between the generation that noted the places and the one that goes on with
// them. Mutex held.
void Session::correct_places(const detail::PlaceList& list, const ipc::IndexView& before,
                             const ipc::IndexView& index) noexcept {
    const auto correct = [&](std::uint64_t layer, std::uint64_t, std::uint64_t entry) {
        if (layer < list.count) {
            list.places[layer] = 0;
        }
        if (entry != 0) {
            if (const Layer now = ipc::layer_at(index, entry)) {
                list.note(layer, now);
            }
        }
    };
    // More differences than that, and noting anew costs no more.
    const std::uint64_t most_nodes = 16 + list.count / 256;
    if (!IndexComparison(before, index, true, most_nodes, correct).run()) {
        std::fill_n(list.places, list.count, 0);
    }
}

// Notes the layer, and its neighbours in the lowest node: they cost a fraction of a walk each.
void Session::note_places(const detail::PlaceList& list, const ipc::IndexView& index,
                          std::uint64_t layer, const Layer& found) noexcept {
    list.note(layer, found);
    std::uint64_t word = index.root;
    for (unsigned shift = index.levels * ipc::index_bits; shift > ipc::index_bits;) {
        shift -= ipc::index_bits;
        const auto digit = static_cast<unsigned>(layer >> shift) & (ipc::index_fanout - 1);
        if (ipc::entry_kind(word) == ipc::EntryKind::layer ||
            !ipc::load_child(index, word, digit, word)) {
            return;
        }
    }
    if (ipc::entry_kind(word) != ipc::EntryKind::array_node ||
        ipc::entry_offset(word) > index.limit - ipc::array_node_bytes) {
        return;
    }
    const std::uint64_t first = layer & ~std::uint64_t{ipc::index_fanout - 1};
    for (unsigned digit = 0; digit < ipc::index_fanout; ++digit) {
        // Safe: the node lies inside the readable bytes.
        const std::uint64_t entry = index.word_at(ipc::entry_offset(word) + digit * 8);
        if (ipc::entry_kind(entry) == ipc::EntryKind::layer) {
            if (const Layer neighbour = ipc::layer_at(index, entry)) {
                list.note(first + digit, neighbour);
            }
        }
    }
}

// Nobody holds the view. Mutex held.
void Session::close_place_lists(View& view) noexcept {
    for (const PlaceArray& array : view.place_arrays) {
        view.lists[array.list].tag.store(0, std::memory_order_relaxed);
        place_bytes_ -= array.bytes;
    }
    view.place_arrays.clear();
}

}  // namespace strata::consumer_impl
