// SPDX-License-Identifier: Apache-2.0
#include "strata/proto_dimension.hpp"

#include <utility>

#include "ipc/failure.hpp"
#include "producer/batch_state.hpp"
#include "producer/proto_registry.hpp"
#include "producer/store.hpp"
#include "strata/core_dimensions.hpp"

namespace strata {

using producer_impl::ProtoLayerState;
using producer_impl::ProtoState;

namespace {

using Layers = std::map<std::uint64_t, std::shared_ptr<ProtoLayerState>>;

std::string name_of(const ProtoState& state) {
    const std::lock_guard lock(state.mutex);
    return state.name;
}

Layers layers_of(const ProtoState& state) {
    const std::lock_guard lock(state.mutex);
    return state.layers;
}

// Takes out what is still the version that was published; newer ones stay.
void take_out(ProtoState& state, const Layers& published, bool whole) {
    const std::lock_guard lock(state.mutex);
    for (const auto& [number, layer] : published) {
        const auto found = state.layers.find(number);
        if (found != state.layers.end() && found->second == layer) {
            state.payload_bytes -= layer->payload.size();
            state.layers.erase(found);
        }
    }
    if (whole && state.layers.empty()) {  // else somebody went on growing it meanwhile
        state.listed = false;
    }
}

void add_layers(const ProtoState& state, const Layers& layers, Batch& batch, bool replace) {
    if (replace) {
        batch.remove_dimension(state.dimension);
    }
    batch.add_dimension(state.dimension, name_of(state));
    for (const auto& [number, layer] : layers) {
        batch.put(layer->id, layer->payload, layer->options());
    }
}

[[noreturn]] void fail_not_found(const ProtoState& state, std::uint64_t layer) {
    ipc::fail(Errc::layer_not_found, "crystallize", "",
              "proto-dimension " + std::to_string(state.dimension) + " has no layer " +
                  std::to_string(layer));
}

std::shared_ptr<producer_impl::Store> store_of(const ProtoState& state) {
    auto store = state.store.lock();
    if (!store) {
        ipc::fail(Errc::invalid_argument, "crystallize", "",
                  "the producer of proto-dimension " + std::to_string(state.dimension) + " is gone",
                  "keep the Producer alive, or add the layers to another one's Batch (add_to)");
    }
    return store;
}

}  // namespace

LayerOptions ProtoLayerState::options() const {
    return {.frequency = frequency,
            .keywords = {keywords.begin(), keywords.end()},
            .alignment = alignment,
            .type_tag = type_tag};
}

namespace producer_impl {

std::shared_ptr<ProtoState> ProtoRegistry::find_or_add(const std::shared_ptr<Store>& store,
                                                       Dimension dimension, std::string_view name) {
    std::string chosen(name.empty() ? core_dimension_name(dimension) : name);
    if (chosen.empty()) {
        chosen = std::string("D").append(std::to_string(dimension));
    }
    const std::lock_guard lock(mutex_);
    std::shared_ptr<ProtoState>& state = states_[dimension];
    if (!state) {
        state = std::make_shared<ProtoState>(store, dimension, std::move(chosen));
        return state;
    }
    const std::lock_guard state_lock(state->mutex);
    if (!state->listed) {
        state->listed = true;
        state->name = std::move(chosen);
    }
    return state;
}

std::vector<std::shared_ptr<ProtoState>> ProtoRegistry::listed() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::shared_ptr<ProtoState>> result;
    for (const auto& [dimension, state] : states_) {
        const std::lock_guard state_lock(state->mutex);
        if (state->listed) {
            result.push_back(state);
        }
    }
    return result;
}

}  // namespace producer_impl

LayerId ProtoLayer::id() const noexcept { return state_->id; }
std::span<const std::byte> ProtoLayer::bytes() const noexcept { return state_->payload; }
std::string_view ProtoLayer::text() const noexcept {
    return {reinterpret_cast<const char*>(state_->payload.data()), state_->payload.size()};
}
double ProtoLayer::frequency() const noexcept { return state_->frequency; }
const std::vector<std::string>& ProtoLayer::keywords() const noexcept { return state_->keywords; }
std::uint64_t ProtoLayer::type_tag() const noexcept { return state_->type_tag; }
std::size_t ProtoLayer::alignment() const noexcept { return state_->alignment; }

Dimension ProtoDimension::dimension() const noexcept { return state_->dimension; }
std::string ProtoDimension::name() const { return name_of(*state_); }

std::uint64_t ProtoDimension::size() const {
    const std::lock_guard lock(state_->mutex);
    return state_->layers.size();
}

ProtoInfo ProtoDimension::info() const {
    const std::lock_guard lock(state_->mutex);
    return {.dimension = state_->dimension,
            .name = state_->name,
            .layers = state_->layers.size(),
            .payload_bytes = state_->payload_bytes};
}

void ProtoDimension::put(std::uint64_t layer, std::span<const std::byte> payload,
                         const LayerOptions& options) {
    auto made = std::make_shared<ProtoLayerState>();
    made->id = {state_->dimension, layer};
    made->payload.assign(payload.begin(), payload.end());
    made->frequency = options.frequency;
    made->keywords.assign(options.keywords.begin(), options.keywords.end());
    made->alignment = options.alignment;
    made->type_tag = options.type_tag;
    const std::lock_guard lock(state_->mutex);
    std::shared_ptr<ProtoLayerState>& place = state_->layers[layer];
    state_->payload_bytes += payload.size() - (place ? place->payload.size() : 0);
    place = std::move(made);
    state_->listed = true;
}

void ProtoDimension::append(std::uint64_t layer, std::span<const std::byte> more) {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->layers.find(layer);
    std::shared_ptr<ProtoLayerState> next;
    if (found == state_->layers.end()) {
        next = std::make_shared<ProtoLayerState>();
        next->id = {state_->dimension, layer};
    } else if (found->second.use_count() == 1) {
        next = found->second;  // nobody else has seen this version, and nobody can meanwhile
    } else {
        next = std::make_shared<ProtoLayerState>(*found->second);
    }
    next->payload.insert(next->payload.end(), more.begin(), more.end());
    state_->layers[layer] = std::move(next);
    state_->payload_bytes += more.size();
    state_->listed = true;
}

bool ProtoDimension::erase(std::uint64_t layer) {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->layers.find(layer);
    if (found == state_->layers.end()) {
        return false;
    }
    state_->payload_bytes -= found->second->payload.size();
    state_->layers.erase(found);
    return true;
}

void ProtoDimension::clear() {
    const std::lock_guard lock(state_->mutex);
    state_->layers.clear();
    state_->payload_bytes = 0;
}

std::optional<ProtoLayer> ProtoDimension::find(std::uint64_t layer) const {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->layers.find(layer);
    return found == state_->layers.end() ? std::nullopt : std::optional(ProtoLayer(found->second));
}

std::vector<ProtoLayer> ProtoDimension::layers() const {
    const std::lock_guard lock(state_->mutex);
    std::vector<ProtoLayer> result;
    result.reserve(state_->layers.size());
    for (const auto& [number, layer] : state_->layers) {
        result.push_back(ProtoLayer(layer));
    }
    return result;
}

void ProtoDimension::add_to(Batch& batch, ProtoSwap swap) const {
    add_layers(*state_, layers_of(*state_), batch, swap == ProtoSwap::replace);
}

void ProtoDimension::add_to(Batch& batch, std::uint64_t layer) const {
    const auto found = find(layer);
    if (!found) {
        fail_not_found(*state_, layer);
    }
    batch.add_dimension(state_->dimension, name_of(*state_));
    batch.put(found->id(), found->bytes(), found->state_->options());
}

Generation ProtoDimension::crystallize(ProtoSwap swap) {
    const auto store = store_of(*state_);
    const Layers layers = layers_of(*state_);
    Batch batch = store->make_batch();
    add_layers(*state_, layers, batch, swap == ProtoSwap::replace);
    const Generation generation = batch.crystallize();
    take_out(*state_, layers, true);
    return generation;
}

Generation ProtoDimension::crystallize_layer(std::uint64_t layer) {
    const auto store = store_of(*state_);
    Layers one;
    {
        const std::lock_guard lock(state_->mutex);
        const auto found = state_->layers.find(layer);
        if (found == state_->layers.end()) {
            fail_not_found(*state_, layer);
        }
        one.insert(*found);
    }
    Batch batch = store->make_batch();
    add_layers(*state_, one, batch, false);
    const Generation generation = batch.crystallize();
    take_out(*state_, one, false);
    return generation;
}

void ProtoDimension::discard() {
    const std::lock_guard lock(state_->mutex);
    state_->layers.clear();
    state_->payload_bytes = 0;
    state_->listed = false;
}

}  // namespace strata
