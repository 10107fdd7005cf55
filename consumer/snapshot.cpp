// SPDX-License-Identifier: Apache-2.0
#include "strata/snapshot.hpp"

#include "consumer/attachment/session.hpp"
#include "consumer/lookup/find.hpp"
#include "consumer/lookup/find_many.hpp"
#include "consumer/views/view.hpp"
#include "ipc/failure.hpp"
#include "ipc/index/find.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using consumer_impl::Access;
using consumer_impl::CachedDimension;
using consumer_impl::Session;
using consumer_impl::View;
using consumer_impl::ViewPool;

namespace {

[[gnu::cold]] Error no_dimension(Generation generation, Dimension dimension) {
    return Error({.code = Errc::dimension_not_found,
                  .operation = "get",
                  .detail = "generation " + std::to_string(generation) + " has no dimension " +
                            std::to_string(dimension)});
}

// Why `find` found nothing. `text`: the layer, for people.
[[gnu::cold]] Error no_layer(const Snapshot& snapshot, Dimension dimension,
                             const std::string& text) {
    if (!snapshot.has_dimension(dimension)) {
        return no_dimension(snapshot.generation(), dimension);
    }
    return Error(
        {.code = Errc::layer_not_found,
         .operation = "get",
         .detail = "generation " + std::to_string(snapshot.generation()) + " has no " + text});
}

[[gnu::cold]] Error no_layer(const Snapshot& snapshot, LayerId id) {
    return no_layer(
        snapshot, id.dimension,
        "layer " + std::to_string(id.layer) + " of dimension " + std::to_string(id.dimension));
}

// `found`: what has the number that the name leads to; false if there is nothing.
[[gnu::cold]] Error no_layer(const Snapshot& snapshot, Dimension dimension, std::string_view name,
                             const Layer& found) {
    std::string text =
        "layer called " + ipc::quoted(name) + " in dimension " + std::to_string(dimension);
    if (found) {
        const std::string_view other = found.name();
        text += " (its number belongs to " +
                (other.empty() ? "a layer without a name" : ipc::quoted(other)) + ")";
    }
    return no_layer(snapshot, dimension, text);
}

Layer named(const Layer& layer, std::string_view name) {
    return layer && layer.name() == name ? layer : Layer();
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
        ViewPool::drop({Access::view_of(*this), slot_});
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

std::uint64_t Snapshot::digest() const noexcept {
    const View* const view = Access::view_of(*this);
    return view != nullptr ? view->root.digest : 0;
}

std::uint64_t Snapshot::layer_count() const noexcept {
    return table_ != nullptr ? Access::view_of(*this)->root.layers : 0;
}

std::uint64_t Snapshot::dimension_count() const noexcept {
    return table_ != nullptr ? Access::view_of(*this)->root.dimensions : 0;
}

// All but the front table: `find` in the header found nothing there.
Layer Snapshot::find_further(LayerId id) const {
    View* const view = Access::view_of(*this);
    return view != nullptr ? consumer_impl::find_further(*view, id) : Layer();
}

Layer Snapshot::find(Dimension dimension, std::string_view name) const {
    return named(find({dimension, layer_number(name)}), name);
}

void Snapshot::find(std::span<const LayerId> ids, std::span<Layer> out) const {
    consumer_impl::find_many(Access::view_of(*this), ids, out);
}

void Snapshot::find(Dimension dimension, std::span<const std::uint64_t> layers,
                    std::span<Layer> out) const {
    consumer_impl::find_many(Access::view_of(*this), dimension, layers, out);
}

DimensionView Snapshot::in(Dimension dimension) const& {
    View* const view = Access::view_of(*this);
    CachedDimension* const version =
        view != nullptr ? view->session->dimension_of(*view, dimension) : nullptr;
    return version != nullptr ? DimensionView(view, version) : DimensionView();
}

Layer Snapshot::get(LayerId id) const {
    const Layer layer = find(id);
    if (!layer) {
        throw no_layer(*this, id);
    }
    return layer;
}

Layer Snapshot::get(Dimension dimension, std::string_view name) const {
    const Layer layer = find({dimension, layer_number(name)});
    if (!layer || layer.name() != name) {
        throw no_layer(*this, dimension, name, layer);
    }
    return layer;
}

Result<Layer> Snapshot::get(std::nothrow_t, LayerId id) const noexcept {
    try {
        if (const Layer layer = find(id)) {
            return layer;
        }
        return no_layer(*this, id);
    } catch (...) {
        return detail::caught_error("get");
    }
}

Result<Layer> Snapshot::get(std::nothrow_t, Dimension dimension,
                            std::string_view name) const noexcept {
    try {
        const Layer layer = find({dimension, layer_number(name)});
        if (layer && layer.name() == name) {
            return layer;
        }
        return no_layer(*this, dimension, name, layer);
    } catch (...) {
        return detail::caught_error("get");
    }
}

DimensionRange Snapshot::dimension(Dimension dimension) const& {
    const DimensionView found = in(dimension);
    if (!found) {
        throw no_dimension(generation(), dimension);
    }
    return found.layers();
}

bool Snapshot::has_dimension(Dimension dimension) const {
    View* const view = Access::view_of(*this);
    return view != nullptr &&
           (view->entry_of(dimension).entry != nullptr ||
            // Asks the directory: the dimension exists also for readers without permission for its
            // file.
            view->session->control().dimension_at(view->directory, dimension, "has dimension"));
}

std::optional<Dimension> Snapshot::find_dimension(std::string_view name) const {
    const View* const view = Access::view_of(*this);
    if (view == nullptr) {
        return std::nullopt;
    }
    Session& session = *view->session;
    return session.names().find(*view, session.control(), name);
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
        const std::uint64_t offset = ipc::block_offset(view->directory, *it);
        const ipc::DimensionRecord record =
            session.control().record_at(view->directory, ipc::layer_entry(offset, 0), operation);
        result.push_back({.dimension = static_cast<Dimension>(record.dimension),
                          .name = std::string(record.name, record.name_bytes),
                          .layers = record.layers,
                          .live_bytes = record.live_bytes,
                          .region = record.serial,
                          .generation = record.generation,
                          .digest = record.digest});
    }
    return result;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
