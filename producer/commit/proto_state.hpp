// SPDX-License-Identifier: Apache-2.0
// One proto-dimension: the newest version of each of its layers, on the heap of its producer. A
// version never changes once anybody else has it. Thread-safe; `mutex_` guards what changes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ipc/mutex.hpp"
#include "producer/commit/proto_heap.hpp"
#include "strata/proto_dimension.hpp"

namespace strata::producer_impl {

class OpenStore;

/// A version of a layer.
struct ProtoLayerState {
    ProtoLayerState(LayerId which, std::shared_ptr<ProtoHeap> heap) noexcept
        : charge(std::move(heap)), id(which) {}

    HeapCharge charge;  // for the rest
    LayerId id;
    std::vector<std::byte> payload;
    double frequency = 0;
    std::vector<std::string> keywords;
    std::size_t alignment = 8;
    std::uint64_t type_tag = 0;

    LayerOptions options() const;
};

class ProtoState {
public:
    using Layers = std::map<std::uint64_t, std::shared_ptr<ProtoLayerState>>;

    ProtoState(std::weak_ptr<OpenStore> store, std::shared_ptr<ProtoHeap> heap, Dimension dimension,
               std::string name)
        : store_(std::move(store)),
          heap_(std::move(heap)),
          dimension_(dimension),
          name_(std::move(name)) {}

    /// Null: its producer is gone.
    std::shared_ptr<OpenStore> store() const noexcept { return store_.lock(); }
    Dimension dimension() const noexcept { return dimension_; }
    std::string name() const;
    std::uint64_t size() const;
    ProtoInfo info() const;

    /// Null: there is no such layer.
    std::shared_ptr<ProtoLayerState> find(std::uint64_t layer) const;
    /// All of one moment.
    Layers layers() const;

    /// Both throw limit_exceeded; nothing has changed then.
    void put(std::uint64_t layer, std::span<const std::byte> payload, const LayerOptions& options);
    void append(std::uint64_t layer, std::span<const std::byte> more);
    bool erase(std::uint64_t layer);
    void clear();
    void discard();
    /// Removes the layers whose newest version is the one that was published. `whole`: if none is
    /// left it is no longer listed.
    void remove_published(const Layers& published, bool whole);

    /// False: crystallized or discarded. The state stays registered, so that a thread that still
    /// has a handle grows the same proto-dimension as everybody else.
    bool listed() const;
    /// Under that name, unless it is listed already.
    void list_as(std::string name);

private:
    const std::weak_ptr<OpenStore> store_;
    const std::shared_ptr<ProtoHeap> heap_;
    const Dimension dimension_;
    mutable ipc::Mutex mutex_;
    std::string name_ STRATA_GUARDED_BY(mutex_);
    bool listed_ STRATA_GUARDED_BY(mutex_) = true;
    Layers layers_ STRATA_GUARDED_BY(mutex_);
    std::uint64_t payload_bytes_ STRATA_GUARDED_BY(mutex_) = 0;
};

}  // namespace strata::producer_impl
