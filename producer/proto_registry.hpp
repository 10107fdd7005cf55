// SPDX-License-Identifier: Apache-2.0
// The proto-dimensions of one producer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "strata/proto_dimension.hpp"

namespace strata::producer_impl {

class Store;

struct ProtoLayerState {
    LayerId id;
    std::vector<std::byte> payload;
    double frequency = 0;
    std::vector<std::string> keywords;
    std::size_t alignment = 64;
    std::uint64_t type_tag = 0;

    LayerOptions options() const;
};

class ProtoState {
public:
    ProtoState(std::weak_ptr<Store> owner, Dimension number, std::string named)
        : store(std::move(owner)), dimension(number), name(std::move(named)) {}

    const std::weak_ptr<Store> store;  // its producer may be gone
    const Dimension dimension;
    mutable std::mutex mutex;  // guards the rest
    std::string name;
    /// False: crystallized or discarded. The state stays registered, so that a thread that still
    /// has a handle grows the same proto-dimension as everybody else.
    bool listed = true;
    std::map<std::uint64_t, std::shared_ptr<ProtoLayerState>> layers;
    std::uint64_t payload_bytes = 0;
};

/// Thread-safe.
class ProtoRegistry {
public:
    std::shared_ptr<ProtoState> find_or_add(const std::shared_ptr<Store>& store,
                                            Dimension dimension, std::string_view name);
    std::vector<std::shared_ptr<ProtoState>> listed() const;

private:
    mutable std::mutex mutex_;
    std::map<Dimension, std::shared_ptr<ProtoState>> states_;
};

}  // namespace strata::producer_impl
