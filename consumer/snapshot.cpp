// SPDX-License-Identifier: Apache-2.0
#include "strata/snapshot.hpp"

#include "consumer/session.hpp"
#include "consumer/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/layer_view.hpp"

namespace strata {

using consumer_impl::Access;
using consumer_impl::Session;
using consumer_impl::TouchedDimension;
using consumer_impl::View;

namespace {

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

Snapshot::Snapshot(const Snapshot& other) noexcept : table_(other.table_) {
    if (table_ != nullptr) {
        // The other snapshot's count keeps the view open meanwhile.
        Access::view_of(*this)->refs.fetch_add(1, std::memory_order_relaxed);
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
    if (table_ != nullptr) {
        Session::drop({Access::view_of(*this), cell_});
    }
}

Generation Snapshot::generation() const noexcept {
    return table_ != nullptr ? Access::view_of(*this)->generation : 0;
}

std::chrono::system_clock::time_point Snapshot::published_at() const noexcept {
    const std::chrono::nanoseconds since(
        table_ != nullptr ? Access::view_of(*this)->root.published_at_ns : 0);
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(since));
}

std::uint64_t Snapshot::layer_count() const noexcept {
    return table_ != nullptr ? Access::view_of(*this)->root.layers : 0;
}

std::uint64_t Snapshot::dimension_count() const noexcept {
    return table_ != nullptr ? Access::view_of(*this)->root.dimensions : 0;
}

// All but the notes: those of `find` in the header came to nothing.
Layer Snapshot::find_in_index(LayerId id) const noexcept {
    View* const view = Access::view_of(*this);
    if (view == nullptr) {
        return {};
    }
    TouchedDimension* const dimension = view->session->dimension_of(*view, id.dimension);
    if (dimension == nullptr) [[unlikely]] {
        return {};
    }
    const Layer layer = ipc::lookup(dimension->index, id.layer);
    if (layer) {
        view->session->found(*view, *dimension, id.layer, layer);
    }
    return layer;
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
    if (const Layer layer = find(id)) {
        return layer;
    }
    View* const view = Access::view_of(*this);
    const TouchedDimension& dimension = required(view, id.dimension);
    const ipc::FoundLayer found = ipc::find_layer(dimension.index, id.layer);
    if (found.end == ipc::WalkEnd::corrupt) {
        ipc::fail(Errc::corrupt, "get", view->session->control().path(),
                  "the index on the way to " + text_of(id) + " is damaged",
                  "run a verification of the store and publish it anew");
    }
    if (!found.layer) {
        ipc::fail(Errc::layer_not_found, "get", "",
                  "generation " + std::to_string(view->generation) + " has no " + text_of(id));
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

DimensionRange Snapshot::dimension(Dimension dimension) const {
    return DimensionRange(&required(Access::view_of(*this), dimension).index);
}

bool Snapshot::has_dimension(Dimension dimension) const noexcept {
    View* const view = Access::view_of(*this);
    if (view == nullptr) {
        return false;
    }
    if (view->touched(dimension) != nullptr) {
        return true;
    }
    // Asks the directory: the dimension is there also for those who may not read it.
    try {
        return view->session->control()
            .dimension_at(view->directory, dimension, "has dimension")
            .has_value();
    } catch (...) {
        return false;
    }
}

std::vector<DimensionInfo> Snapshot::dimensions() const {
    std::vector<DimensionInfo> result;
    const View* const view = Access::view_of(*this);
    if (view == nullptr) {
        return result;
    }
    const Session& session = *view->session;
    const std::string operation = ipc::operation_on("list dimensions of", session.store().name);
    result.reserve(view->root.dimensions);
    const DimensionRange directory(&view->directory);
    for (auto it = directory.begin(); it != directory.end(); ++it) {
        const auto offset = static_cast<std::uint64_t>(it->data() - view->directory.base) -
                            sizeof(ipc::LayerHeader);
        const ipc::DimensionRecord record =
            session.control().record_at(view->directory, ipc::layer_entry(offset, 0), operation);
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
