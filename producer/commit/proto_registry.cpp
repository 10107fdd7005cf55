// SPDX-License-Identifier: Apache-2.0
#include "producer/commit/proto_registry.hpp"

#include <string>
#include <utility>

namespace strata::producer_impl {

std::shared_ptr<ProtoState> ProtoRegistry::find_or_add(const std::shared_ptr<OpenStore>& store,
                                                       Dimension dimension, std::string_view name) {
    std::string chosen(name);
    if (chosen.empty()) {
        chosen = std::string("D").append(std::to_string(dimension));
    }
    const ipc::MutexLock lock(mutex_);
    if (const auto found = states_.find(dimension); found != states_.end()) {
        found->second->list_as(std::move(chosen));
        return found->second;
    }
    // Made before its entry in the map: running out of memory must not leave an empty entry behind.
    auto made = std::make_shared<ProtoState>(store, heap_, dimension, std::move(chosen));
    states_.emplace(dimension, made);
    return made;
}

std::vector<std::shared_ptr<ProtoState>> ProtoRegistry::listed() const {
    const ipc::MutexLock lock(mutex_);
    std::vector<std::shared_ptr<ProtoState>> result;
    for (const auto& [dimension, state] : states_) {
        if (state->listed()) {
            result.push_back(state);
        }
    }
    return result;
}

}  // namespace strata::producer_impl
