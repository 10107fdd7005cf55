// SPDX-License-Identifier: Apache-2.0
#include "strata/proto_dimension.hpp"

#include <utility>

#include "ipc/failure.hpp"
#include "producer/commit/proto_state.hpp"
#include "producer/open_store.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

using producer_impl::ProtoLayerState;
using producer_impl::ProtoState;

namespace {

ProtoState& checked(const std::shared_ptr<ProtoState>& state) noexcept {
    return ipc::part_of(state, "ProtoDimension");
}
const ProtoLayerState& checked(const std::shared_ptr<const ProtoLayerState>& state) noexcept {
    return ipc::part_of(state, "ProtoLayer");
}

using Layers = ProtoState::Layers;

void add_layers(const ProtoState& state, const Layers& layers, Batch& batch, bool replace) {
    if (replace) {
        batch.remove_dimension(state.dimension());
    }
    batch.add_dimension(state.dimension(), state.name());
    for (const auto& [number, layer] : layers) {
        batch.put(layer->id, layer->payload, layer->options());
    }
}

[[noreturn]] void fail_not_found(const ProtoState& state, std::uint64_t layer) {
    ipc::fail(Errc::layer_not_found, "crystallize", "",
              "proto-dimension " + std::to_string(state.dimension()) + " has no layer " +
                  std::to_string(layer));
}

std::shared_ptr<producer_impl::OpenStore> store_of(const ProtoState& state) {
    auto store = state.store();
    if (!store) {
        ipc::fail(
            Errc::invalid_argument, "crystallize", "",
            "the producer of proto-dimension " + std::to_string(state.dimension()) + " is gone",
            "keep the Producer alive, or add the layers to another one's Batch (add_to)");
    }
    return store;
}

}  // namespace

LayerId ProtoLayer::id() const noexcept { return checked(state_).id; }
std::span<const std::byte> ProtoLayer::bytes() const noexcept { return checked(state_).payload; }
std::string_view ProtoLayer::text() const noexcept {
    return {reinterpret_cast<const char*>(checked(state_).payload.data()),
            checked(state_).payload.size()};
}
double ProtoLayer::frequency() const noexcept { return checked(state_).frequency; }
const std::vector<std::string>& ProtoLayer::keywords() const noexcept {
    return checked(state_).keywords;
}
std::uint64_t ProtoLayer::type_tag() const noexcept { return checked(state_).type_tag; }
std::size_t ProtoLayer::alignment() const noexcept { return checked(state_).alignment; }

Dimension ProtoDimension::dimension() const noexcept { return checked(state_).dimension(); }
std::string ProtoDimension::name() const { return checked(state_).name(); }
std::uint64_t ProtoDimension::size() const { return checked(state_).size(); }
ProtoInfo ProtoDimension::info() const { return checked(state_).info(); }

void ProtoDimension::put(std::uint64_t layer, std::span<const std::byte> payload,
                         const LayerOptions& options) {
    checked(state_).put(layer, payload, options);
}

void ProtoDimension::append(std::uint64_t layer, std::span<const std::byte> more) {
    checked(state_).append(layer, more);
}

bool ProtoDimension::erase(std::uint64_t layer) { return checked(state_).erase(layer); }
void ProtoDimension::clear() { checked(state_).clear(); }
void ProtoDimension::discard() { checked(state_).discard(); }

std::optional<ProtoLayer> ProtoDimension::find(std::uint64_t layer) const {
    auto found = checked(state_).find(layer);
    return found ? std::optional(ProtoLayer(std::move(found))) : std::nullopt;
}

std::vector<ProtoLayer> ProtoDimension::layers() const {
    const Layers layers = checked(state_).layers();
    std::vector<ProtoLayer> result;
    result.reserve(layers.size());
    for (const auto& [number, layer] : layers) {
        result.push_back(ProtoLayer(layer));
    }
    return result;
}

void ProtoDimension::add_to(Batch& batch, ProtoSwap swap) const {
    add_layers(checked(state_), checked(state_).layers(), batch, swap == ProtoSwap::replace);
}

void ProtoDimension::add_to(Batch& batch, std::uint64_t layer) const {
    const auto found = find(layer);
    if (!found) {
        fail_not_found(checked(state_), layer);
    }
    batch.add_dimension(checked(state_).dimension(), checked(state_).name());
    batch.put(found->id(), found->bytes(), checked(found->state_).options());
}

Generation ProtoDimension::crystallize(ProtoSwap swap) {
    const auto store = store_of(checked(state_));
    const Layers layers = checked(state_).layers();
    Batch batch = store->make_batch();
    add_layers(checked(state_), layers, batch, swap == ProtoSwap::replace);
    const Generation generation = batch.crystallize();
    checked(state_).remove_published(layers, true);
    return generation;
}

Generation ProtoDimension::crystallize_layer(std::uint64_t layer) {
    const auto store = store_of(checked(state_));
    auto found = checked(state_).find(layer);
    if (!found) {
        fail_not_found(checked(state_), layer);
    }
    const Layers one{{layer, std::move(found)}};
    Batch batch = store->make_batch();
    add_layers(checked(state_), one, batch, false);
    const Generation generation = batch.crystallize();
    checked(state_).remove_published(one, false);
    return generation;
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
