// SPDX-License-Identifier: Apache-2.0
#include "consumer/lookup/version_carrier.hpp"

#include <cstdint>

#include "ipc/index/difference.hpp"

namespace strata::consumer_impl {

namespace {

// Beyond so many nodes, or changed dimensions, the comparison would cost as much as it saves.
constexpr std::uint64_t most_nodes = 48;
constexpr unsigned most_changed = 32;

}  // namespace

void VersionCarrier::next(const View* before, View& view) noexcept {
    if (asked_ >= least_asked) {
        in_a_row_ = 1;
    } else if (in_a_row_ != 0) {
        in_a_row_ = in_a_row_ < most_in_a_row ? in_a_row_ + 1 : 0;
    }
    const bool compared = in_a_row_ != 0 && !versions_.is_broken() && before != nullptr &&
                          before->generation == versions_.chain_last() &&
                          before->generation < view.generation && compare(*before, view);
    if (!compared) {
        versions_.begin_chain(view.generation);
    }
    asked_ = 0;
    asking_ = compared && in_a_row_ == most_in_a_row;
    if (asking_) {
        return;
    }
    view.join(versions_.chain());
    if (compared) {
        carry_front(*before, view);
    }
}

// Both generations are pinned, so equal entry words of the two directories are one record, which
// cannot have changed. False: given up, with what differs not all marked.
bool VersionCarrier::compare(const View& before, const View& view) noexcept {
    unsigned changed = 0;
    const auto end = [&](std::uint64_t dimension, std::uint64_t, std::uint64_t) {
        if (++changed <= most_changed) {
            versions_.end(static_cast<Dimension>(dimension));
        }
    };
    if (!ipc::IndexComparison(before.directory, view.directory, true, most_nodes, end).run() ||
        changed > most_changed) {
        return false;
    }
    versions_.extend_chain(view.generation);
    return true;
}

void VersionCarrier::carry_front(const View& before, View& view) const noexcept {
    before.visit_front([&](CachedDimension& version) {
        if (version.chain == versions_.chain()) {
            view.add_to_front(version);
        }
    });
}

CachedDimension* VersionCarrier::asked(View& view, Dimension dimension) noexcept {
    if (view.generation != versions_.chain_last()) {
        return nullptr;
    }
    ++asked_;
    if (!asking_) {
        return nullptr;  // the view would have found it
    }
    if (asked_ == least_asked) {
        asking_ = false;
        view.join(versions_.chain());
    }
    return versions_.held_on(dimension);
}

// A version of the last generation that an older one has, too, has not changed between them.
void VersionCarrier::found(View& view, CachedDimension& version) noexcept {
    if (view.generation == versions_.chain_last()) {
        versions_.hold_on(version);
    }
    if (view.generation <= versions_.chain_last() && !asking_) {
        view.join(versions_.chain());
    }
}

}  // namespace strata::consumer_impl
