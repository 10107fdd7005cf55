// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/front_carrier.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ipc/index/difference.hpp"

namespace strata::consumer_impl {

namespace {

// Beyond so many nodes, or changed dimensions, the comparison would cost as much as it saves.
constexpr std::uint64_t most_nodes = 16;
constexpr std::size_t most_changed = 16;

}  // namespace

void FrontCarrier::next(const View* before, View& view) noexcept {
    const bool worth =
        carried_in_a_row_ != 0 ? carried_in_a_row_ < most_in_a_row : walks_ >= least_walks;
    walks_ = 0;
    carried_in_a_row_ = worth && before != nullptr ? carried_in_a_row_ + 1 : 0;
    if (carried_in_a_row_ != 0 && before->generation < view.generation &&
        before->front_count() >= least_walks) {
        carry(*before, view);
    }
}

// Both generations are pinned, so equal entry words of the two directories are one record, which
// cannot have changed: the version holds from one to the other.
void FrontCarrier::carry(const View& before, View& view) noexcept {
    std::array<std::uint64_t, most_changed> changed{};
    std::size_t count = 0;
    const auto note = [&](std::uint64_t dimension, std::uint64_t, std::uint64_t) {
        if (count < changed.size()) {
            changed[count] = dimension;
        }
        ++count;
    };
    if (!ipc::IndexComparison(before.directory, view.directory, true, most_nodes, note).run() ||
        count > changed.size()) {
        return;
    }
    const std::span<const std::uint64_t> differ = std::span(changed).first(count);
    before.visit_front([&](CachedDimension& version) {
        if (std::ranges::find(differ, version.dimension) == differ.end()) {
            cache_.extend(version, view.generation);
            view.add_to_front(version);
        }
    });
}

}  // namespace strata::consumer_impl
