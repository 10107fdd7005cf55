// SPDX-License-Identifier: Apache-2.0
#include "volume/findings.hpp"

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

namespace strata::volume_impl {

void Findings::add(VolumeFailure failure) {
    const std::lock_guard lock(mutex_);
    ++report_.failure_count;
    if (report_.failures.size() < options_.max_failures) {
        report_.failures.push_back(std::move(failure));
    }
}

void Findings::add(const Error& error, std::optional<Dimension> dimension,
                   std::optional<std::uint64_t> layer) {
    std::string what = error.detail();
    if (error.errno_value() != 0) {
        what += ": " + std::string(to_string(error.code()));
    }
    add({error.path(), dimension, layer, std::move(what)});
}

void Findings::tell() const {
    if (options_.progress) {
        options_.progress({.layers = layers_.load(std::memory_order_relaxed),
                           .layers_total = expected_.load(std::memory_order_relaxed),
                           .bytes = bytes_.load(std::memory_order_relaxed)});
    }
}

VolumeReport Findings::finish() {
    report_.layers = layers_.load();
    report_.content_bytes = bytes_.load();
    // Threads find in no order; people want one.
    std::ranges::stable_sort(report_.failures, [](const auto& a, const auto& b) {
        return std::tie(a.dimension, a.layer) < std::tie(b.dimension, b.layer);
    });
    return std::move(report_);
}

}  // namespace strata::volume_impl
