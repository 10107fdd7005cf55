// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/proto_state.hpp"

#include <algorithm>
#include <string_view>

namespace strata::producer_impl {

namespace {

// What a version takes beside its payload: itself, its counters, its place in the map, and
// keywords.
std::uint64_t overhead_of(const std::vector<std::string>& keywords) noexcept {
    std::uint64_t bytes = sizeof(ProtoLayerState) + 128 + keywords.capacity() * sizeof(std::string);
    for (const std::string& keyword : keywords) {
        bytes += keyword.capacity();
    }
    return bytes;
}

// Charges the layer for `payload_bytes` of payload. Throws limit_exceeded; nothing changes then.
void charge(ProtoLayerState& layer, std::uint64_t payload_bytes, std::string_view what) {
    const std::uint64_t bytes = payload_bytes + overhead_of(layer.keywords);
    if (layer.charge.resize(bytes)) {
        return;
    }
    const ProtoHeap& heap = *layer.charge.heap();
    throw Error({.code = Errc::limit_exceeded,
                 .operation = std::string(what) + " layer " + std::to_string(layer.id.layer) +
                              " of proto-dimension " + std::to_string(layer.id.dimension),
                 .detail = std::to_string(bytes) + " bytes do not fit: proto-dimensions take " +
                           std::to_string(heap.used()) + " of at most " +
                           std::to_string(heap.limit()) + " on the heap",
                 .hint = "crystallize or discard some of them, or raise proto_memory_limit",
                 .needed = bytes,
                 .limit = heap.limit(),
                 .current = heap.used()});
}

// Room for `bytes` of payload, with some to spare if the limit allows it, so that many small
// additions copy little. While it moves, the old payload is there as well, and not counted.
void reserve_payload(ProtoLayerState& layer, std::uint64_t bytes) {
    const std::uint64_t capacity = layer.payload.capacity();
    if (bytes <= capacity) {
        return;
    }
    const std::uint64_t before = layer.charge.bytes();
    std::uint64_t next = std::max(bytes, 2 * capacity);
    if (!layer.charge.resize(next + overhead_of(layer.keywords))) {
        next = bytes;
        charge(layer, next, "append to");
    }
    try {
        layer.payload.reserve(next);
    } catch (...) {
        layer.charge.resize(before);
        throw;
    }
}

}  // namespace

LayerOptions ProtoLayerState::options() const {
    return {.frequency = frequency,
            .keywords = {keywords.begin(), keywords.end()},
            .alignment = alignment,
            .type_tag = type_tag};
}

std::string ProtoState::name() const {
    const ipc::MutexLock lock(mutex_);
    return name_;
}

std::uint64_t ProtoState::size() const {
    const ipc::MutexLock lock(mutex_);
    return layers_.size();
}

ProtoInfo ProtoState::info() const {
    const ipc::MutexLock lock(mutex_);
    return {.dimension = dimension_,
            .name = name_,
            .layers = layers_.size(),
            .payload_bytes = payload_bytes_};
}

std::shared_ptr<ProtoLayerState> ProtoState::find(std::uint64_t layer) const {
    const ipc::MutexLock lock(mutex_);
    const auto found = layers_.find(layer);
    return found == layers_.end() ? nullptr : found->second;
}

ProtoState::Layers ProtoState::layers() const {
    const ipc::MutexLock lock(mutex_);
    return layers_;
}

void ProtoState::put(std::uint64_t layer, std::span<const std::byte> payload,
                     const LayerOptions& options) {
    auto made = std::make_shared<ProtoLayerState>(LayerId{dimension_, layer}, heap_);
    made->keywords.assign(options.keywords.begin(), options.keywords.end());
    charge(*made, payload.size(), "put");
    made->payload.assign(payload.begin(), payload.end());
    made->frequency = options.frequency;
    made->alignment = options.alignment;
    made->type_tag = options.type_tag;
    const ipc::MutexLock lock(mutex_);
    std::shared_ptr<ProtoLayerState>& newest = layers_[layer];
    payload_bytes_ += payload.size() - (newest ? newest->payload.size() : 0);
    newest = std::move(made);
    listed_ = true;
}

void ProtoState::append(std::uint64_t layer, std::span<const std::byte> more) {
    const ipc::MutexLock lock(mutex_);
    const auto found = layers_.find(layer);
    std::shared_ptr<ProtoLayerState> next;
    if (found != layers_.end() && found->second.use_count() == 1) {
        next = found->second;  // nobody else has seen this version, and nobody can meanwhile
        reserve_payload(*next, next->payload.size() + more.size());
    } else {
        next = std::make_shared<ProtoLayerState>(LayerId{dimension_, layer}, heap_);
        std::uint64_t before = 0;
        if (found != layers_.end()) {
            const ProtoLayerState& last = *found->second;
            next->frequency = last.frequency;
            next->keywords = last.keywords;
            next->alignment = last.alignment;
            next->type_tag = last.type_tag;
            before = last.payload.size();
        }
        charge(*next, before + more.size(), "append to");
        next->payload.reserve(before + more.size());
        if (before != 0) {
            const std::vector<std::byte>& last = found->second->payload;
            next->payload.insert(next->payload.end(), last.begin(), last.end());
        }
    }
    next->payload.insert(next->payload.end(), more.begin(), more.end());
    layers_[layer] = std::move(next);
    payload_bytes_ += more.size();
    listed_ = true;
}

bool ProtoState::erase(std::uint64_t layer) {
    const ipc::MutexLock lock(mutex_);
    const auto found = layers_.find(layer);
    if (found == layers_.end()) {
        return false;
    }
    payload_bytes_ -= found->second->payload.size();
    layers_.erase(found);
    return true;
}

void ProtoState::clear() {
    const ipc::MutexLock lock(mutex_);
    layers_.clear();
    payload_bytes_ = 0;
}

void ProtoState::discard() {
    const ipc::MutexLock lock(mutex_);
    layers_.clear();
    payload_bytes_ = 0;
    listed_ = false;
}

void ProtoState::remove_published(const Layers& published, bool whole) {
    const ipc::MutexLock lock(mutex_);
    for (const auto& [number, layer] : published) {
        const auto found = layers_.find(number);
        if (found != layers_.end() && found->second == layer) {
            payload_bytes_ -= layer->payload.size();
            layers_.erase(found);
        }
    }
    if (whole && layers_.empty()) {  // else another thread has added to it meanwhile
        listed_ = false;
    }
}

bool ProtoState::listed() const {
    const ipc::MutexLock lock(mutex_);
    return listed_;
}

void ProtoState::list_as(std::string name) {
    const ipc::MutexLock lock(mutex_);
    if (!listed_) {
        listed_ = true;
        name_ = std::move(name);
    }
}

}  // namespace strata::producer_impl
