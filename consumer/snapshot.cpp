// SPDX-License-Identifier: Apache-2.0
#include "strata/snapshot.hpp"

#include <algorithm>
#include <array>

#include "consumer/session.hpp"
#include "consumer/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/layer_view.hpp"

namespace strata {

using consumer_impl::Session;
using consumer_impl::TouchedDimension;
using consumer_impl::View;

namespace {

// First touch of a dimension, for callers that cannot be told why it failed.
const TouchedDimension* touch_quietly(View& view, Dimension dimension) noexcept {
    try {
        return view.session->touch(view, dimension);
    } catch (...) {
        return nullptr;
    }
}

// Apart, so that the usual way through `find` needs no stack frame.
[[gnu::noinline, gnu::cold]] Layer find_untouched(View& view, LayerId id) noexcept {
    const TouchedDimension* const dimension = touch_quietly(view, id.dimension);
    return dimension != nullptr ? ipc::lookup(dimension->index, id.layer) : Layer();
}

const TouchedDimension* touched(View& view, Dimension dimension) noexcept {
    const TouchedDimension* const known = view.touched(dimension);
    return known != nullptr ? known : touch_quietly(view, dimension);
}

const TouchedDimension& required(View* view, Dimension dimension) {
    if (view != nullptr) {
        if (const TouchedDimension* const known = view->touched(dimension)) {
            return *known;
        }
        if (const TouchedDimension* const found = view->session->touch(*view, dimension)) {
            return *found;
        }
    }
    ipc::fail(Errc::dimension_not_found, "get", "",
              "generation " + std::to_string(view != nullptr ? view->generation : 0) +
                  " has no dimension " + std::to_string(dimension));
}

std::string text_of(LayerId id) {
    return "layer " + std::to_string(id.layer) + " of dimension " + std::to_string(id.dimension);
}

}  // namespace

Snapshot::Snapshot(const Snapshot& other) noexcept : view_(other.view_) {
    if (view_ != nullptr) {
        // The other snapshot's count keeps the view open meanwhile.
        view_->refs.fetch_add(1, std::memory_order_relaxed);
    }
}

Snapshot& Snapshot::operator=(const Snapshot& other) noexcept {
    Snapshot(other).swap(*this);
    return *this;
}

Snapshot& Snapshot::operator=(Snapshot&& other) noexcept {
    Snapshot(std::move(other)).swap(*this);
    return *this;
}

Snapshot::~Snapshot() {
    if (view_ != nullptr) {
        Session::drop({view_, cell_});
    }
}

Generation Snapshot::generation() const noexcept {
    return view_ != nullptr ? view_->generation : 0;
}

std::chrono::system_clock::time_point Snapshot::published_at() const noexcept {
    const std::chrono::nanoseconds since(view_ != nullptr ? view_->root.published_at_ns : 0);
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(since));
}

std::uint64_t Snapshot::layer_count() const noexcept {
    return view_ != nullptr ? view_->root.layers : 0;
}

std::uint64_t Snapshot::dimension_count() const noexcept {
    return view_ != nullptr ? view_->root.dimensions : 0;
}

Layer Snapshot::find(LayerId id) const noexcept {
    if (view_ == nullptr) [[unlikely]] {
        return {};
    }
    const TouchedDimension* const dimension = view_->touched(id.dimension);
    if (dimension == nullptr) [[unlikely]] {
        return find_untouched(*view_, id);
    }
    return ipc::lookup(dimension->index, id.layer);
}

Layer Snapshot::find(Dimension dimension, std::string_view name) const noexcept {
    const Layer layer = find({dimension, layer_number(name)});
    try {
        return layer && layer.name() == name ? layer : Layer();
    } catch (const Error&) {  // damaged metadata
        return {};
    }
}

Layer Snapshot::get(LayerId id) const {
    const TouchedDimension& dimension = required(view_, id.dimension);
    const ipc::FoundLayer found = ipc::find_layer(dimension.index, id.layer);
    if (found.end == ipc::WalkEnd::corrupt) {
        ipc::fail(Errc::corrupt, "get", view_->session->control().path(),
                  "the index on the way to " + text_of(id) + " is damaged",
                  "run a verification of the store and publish it anew");
    }
    if (!found.layer) {
        ipc::fail(Errc::layer_not_found, "get", "",
                  "generation " + std::to_string(view_->generation) + " has no " + text_of(id));
    }
    return found.layer;
}

Layer Snapshot::get(Dimension dimension, std::string_view name) const {
    const Layer layer = get({dimension, layer_number(name)});
    if (layer.name() != name) {
        ipc::fail(Errc::layer_not_found, "get", "",
                  "dimension " + std::to_string(dimension) + " has no layer called " +
                      ipc::quoted(name) + " (its number belongs to " + ipc::quoted(layer.name()) +
                      ")");
    }
    return layer;
}

// The walks of a group go down level by level together: while one waits for memory the others'
// loads are under way.
void Snapshot::find(std::span<const LayerId> ids, std::span<Layer> out) const noexcept {
    constexpr std::size_t group = 16;
    constexpr std::uint64_t cached_bytes = 1 << 20;  // regions up to this size: nothing to wait for
    if (out.size() < ids.size()) {
        ipc::bug("Snapshot::find: `out` is shorter than `ids`");
    }
    struct Walk {
        const ipc::IndexView* index;
        std::uint64_t word;
        std::uint32_t shift;
        bool below_root;
    };
    std::array<Walk, group> walks;
    for (std::size_t start = 0; start < ids.size(); start += group) {
        const std::size_t count = std::min(group, ids.size() - start);
        unsigned levels = 0;
        std::uint64_t largest = 0;
        for (std::size_t i = 0; i < count; ++i) {
            const LayerId id = ids[start + i];
            const TouchedDimension* const known =
                view_ != nullptr ? touched(*view_, id.dimension) : nullptr;
            walks[i] = {};
            if (known != nullptr) {
                const unsigned shift = known->index.levels * ipc::index_bits;
                if (shift >= 64 || (id.layer >> shift) == 0) {
                    walks[i] = {&known->index, known->index.root, shift, false};
                    levels = std::max(levels, known->index.levels);
                    largest = std::max(largest, known->index.limit);
                }
            }
        }
        if (largest <= cached_bytes) {
            for (std::size_t i = 0; i < count; ++i) {
                out[start + i] = walks[i].index != nullptr
                                     ? ipc::lookup(*walks[i].index, ids[start + i].layer)
                                     : Layer();
            }
            continue;
        }
        for (unsigned level = 0; level < levels; ++level) {
            for (std::size_t i = 0; i < count; ++i) {
                Walk& walk = walks[i];
                const auto kind = ipc::entry_kind(walk.word);
                if (kind != ipc::EntryKind::array_node && kind != ipc::EntryKind::bitmap_node) {
                    continue;
                }
                if (walk.shift == 0) {
                    walk.word = 0;  // a node below the lowest level: damaged
                    continue;
                }
                walk.shift -= ipc::index_bits;
                const auto digit = static_cast<unsigned>(ids[start + i].layer >> walk.shift) &
                                   (ipc::index_fanout - 1);
                if (!ipc::load_child(*walk.index, walk.word, digit, walk.word)) {
                    walk.word = 0;
                    continue;
                }
                // Where the next step will look. Never faults, whatever the offset.
                const unsigned next = walk.shift >= ipc::index_bits
                                          ? static_cast<unsigned>(ids[start + i].layer >>
                                                                  (walk.shift - ipc::index_bits)) &
                                                (ipc::index_fanout - 1)
                                          : 0;
                const std::byte* const block = walk.index->base + ipc::entry_offset(walk.word);
                const auto child = ipc::entry_kind(walk.word);
                __builtin_prefetch(child == ipc::EntryKind::array_node ? block + next * 8
                                   : child == ipc::EntryKind::layer
                                       ? block + sizeof(ipc::LayerHeader)
                                       : block);
            }
        }
        for (std::size_t i = 0; i < count; ++i) {
            const Walk& walk = walks[i];
            Layer layer;
            if (ipc::entry_kind(walk.word) == ipc::EntryKind::layer) {
                layer = ipc::layer_at(*walk.index, walk.word);
                if (layer && walk.shift != 0 &&
                    ipc::block_key(*walk.index, walk.word) != ids[start + i].layer) {
                    layer = {};
                }
            }
            out[start + i] = layer;
        }
    }
}

DimensionRange Snapshot::dimension(Dimension dimension) const {
    return DimensionRange(&required(view_, dimension).index);
}

bool Snapshot::has_dimension(Dimension dimension) const noexcept {
    if (view_ == nullptr) {
        return false;
    }
    if (view_->touched(dimension) != nullptr) {
        return true;
    }
    // Asks the directory: the dimension is there also for those who may not read it.
    try {
        return view_->session->control()
            .dimension_at(view_->directory, dimension, "has dimension")
            .has_value();
    } catch (...) {
        return false;
    }
}

std::vector<DimensionInfo> Snapshot::dimensions() const {
    std::vector<DimensionInfo> result;
    if (view_ == nullptr) {
        return result;
    }
    const Session& session = *view_->session;
    const std::string operation = ipc::operation_on("list dimensions of", session.store().name);
    result.reserve(view_->root.dimensions);
    const DimensionRange directory(&view_->directory);
    for (auto it = directory.begin(); it != directory.end(); ++it) {
        const auto offset = static_cast<std::uint64_t>(it->data() - view_->directory.base) -
                            sizeof(ipc::LayerHeader);
        const ipc::DimensionRecord record =
            session.control().record_at(view_->directory, ipc::layer_entry(offset, 0), operation);
        result.push_back({.dimension = static_cast<Dimension>(record.dimension),
                          .name = std::string(record.name, record.name_bytes),
                          .layers = record.layers,
                          .live_bytes = record.live_bytes,
                          .committed_bytes = record.committed_bytes,
                          .generation = record.generation});
    }
    return result;
}

}  // namespace strata
