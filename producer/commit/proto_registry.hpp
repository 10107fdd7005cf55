// SPDX-License-Identifier: Apache-2.0
// The proto-dimensions of one producer by number, and the heap that they share. Thread-safe: its
// mutex guards the map, each state guards itself.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string_view>
#include <vector>

#include "ipc/mutex.hpp"
#include "producer/commit/proto_heap.hpp"
#include "producer/commit/proto_state.hpp"

namespace strata::producer_impl {

class OpenStore;

class ProtoRegistry {
public:
    /// `limit`: of what they take on the heap, in bytes.
    explicit ProtoRegistry(std::uint64_t limit) : heap_(std::make_shared<ProtoHeap>(limit)) {}

    const ProtoHeap& heap() const noexcept { return *heap_; }
    void set_limit(std::uint64_t bytes) noexcept { heap_->set_limit(bytes); }
    std::shared_ptr<ProtoState> find_or_add(const std::shared_ptr<OpenStore>& store,
                                            Dimension dimension, std::string_view name);
    std::vector<std::shared_ptr<ProtoState>> listed() const;

private:
    const std::shared_ptr<ProtoHeap> heap_;
    mutable ipc::Mutex mutex_;  // before that of a state
    std::map<Dimension, std::shared_ptr<ProtoState>> states_ STRATA_GUARDED_BY(mutex_);
};

}  // namespace strata::producer_impl
