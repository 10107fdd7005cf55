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
    if (is_wide()) {
        in_a_row_ = asked_ >= least_asked ? 1 : in_a_row_ < most_in_a_row ? in_a_row_ + 1 : 0;
    }
    asked_ = 0;
    const bool compared = is_wide() && !is_pausing() && before != nullptr &&
                          before->generation == versions_.chain_last() &&
                          before->generation < view.generation && compare(*before, view);
    if (!compared) {
        versions_.begin_chain(view.generation);
    } else if (in_a_row_ == most_in_a_row) {
        view.stay_out(true);
        return;
    }
    view.join(versions_.chain());
    if (compared) {
        carry_front(*before, view);
    }
}

// Neither a comparison that was given up nor a chain that ended for want of memory is worth it each
// time.
bool VersionCarrier::is_pausing() noexcept {
    if (versions_.is_broken() && since_break_ >= most_in_a_row) {
        since_break_ = 0;
        return true;
    }
    ++since_break_;
    pause_ -= pause_ != 0 ? 1 : 0;
    return pause_ != 0;
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
        pause_ = pause_after_failure;
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
    if (!view.asking.load(std::memory_order_relaxed) || view.generation != versions_.chain_last()) {
        return nullptr;
    }
    CachedDimension* const held = versions_.held_on(dimension);
    if (held != nullptr && view.front_version(dimension) == nullptr) {
        count(view);
    }
    return held;
}

// A version of the last generation that an older one has, too, has not changed between them.
void VersionCarrier::found(View& view, CachedDimension& version) noexcept {
    if (view.generation == versions_.chain_last()) {
        count(view);
        if (is_wide()) {
            versions_.hold_on(version);
        }
    }
    if (view.generation <= versions_.chain_last() && !view.asking.load(std::memory_order_relaxed)) {
        view.join(versions_.chain());
    }
}

void VersionCarrier::count(View& view) noexcept {
    ++asked_;
    if (asked_ == least_asked) {
        view.join(versions_.chain());
        view.visit_front([&](CachedDimension& version) { versions_.hold_on(version); });
    }
}

}  // namespace strata::consumer_impl
