// SPDX-License-Identifier: Apache-2.0
// What JavaScript holds of the C ABI: externals, whose finalizers give back what nobody closed.
#pragma once

#include <memory>
#include <utility>

#include "call.hpp"

namespace strata_node {

struct Handle {
    Handle() = default;
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;
    virtual ~Handle() = default;
};

template <typename Kind, typename... Arguments>
napi_value new_handle(napi_env env, Arguments&&... arguments) {
    std::unique_ptr<Handle> made = std::make_unique<Kind>(std::forward<Arguments>(arguments)...);
    const auto drop = [](napi_env, void* data, void*) { delete static_cast<Handle*>(data); };
    napi_value value = nullptr;
    check(env, napi_create_external(env, made.get(), drop, nullptr, &value));
    made.release();
    return value;
}

template <typename Kind>
Kind& handle(const Call& call, std::size_t index) {
    void* data = nullptr;
    check(call.env, napi_get_value_external(call.env, call[index], &data));
    auto* const found = dynamic_cast<Kind*>(static_cast<Handle*>(data));
    if (found == nullptr) {
        throw_type_error(call.env, "another handle is wanted");
    }
    return *found;
}

// Threads that are in a function of a consumer or producer keep it: it goes with the last of them.
struct ConsumerHandle : Handle {
    explicit ConsumerHandle(strata_consumer* given) : consumer(given, strata_detach) {}

    std::shared_ptr<strata_consumer> consumer;
};

struct SnapshotHandle : Handle {
    explicit SnapshotHandle(strata_snapshot* given) : snapshot(given, strata_snapshot_release) {}

    std::shared_ptr<strata_snapshot> snapshot;
};

inline const std::shared_ptr<strata_consumer>& consumer_of(const Call& call) {
    const auto& consumer = handle<ConsumerHandle>(call, 0).consumer;
    if (consumer == nullptr) {
        throw_closed(call.env, "Consumer");
    }
    return consumer;
}

inline const std::shared_ptr<strata_snapshot>& snapshot_of(const Call& call,
                                                           std::size_t index = 0) {
    const auto& snapshot = handle<SnapshotHandle>(call, index).snapshot;
    if (snapshot == nullptr) {
        throw_closed(call.env, "Snapshot");
    }
    return snapshot;
}

}  // namespace strata_node
