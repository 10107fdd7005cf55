// SPDX-License-Identifier: Apache-2.0
// The epochs whose blocks a power failure may send the store back to: reclaiming respects them as
// it does readers' pins. Any thread may drop one; a reclaim that still sees it only holds more.
#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "ipc/lock_table.hpp"
#include "producer/reclaim/pinned_epochs.hpp"

namespace strata::producer_impl {

class DurablePins {
public:
    bool empty() const noexcept {
        const std::lock_guard lock(mutex_);
        return epochs_.empty();
    }
    /// Not older than those that are there.
    void add(std::uint64_t epoch) {
        const std::lock_guard lock(mutex_);
        if (epochs_.empty() || epochs_.back() != epoch) {
            epochs_.push_back(epoch);
        }
    }
    void drop_before(std::uint64_t epoch) noexcept {
        const std::lock_guard lock(mutex_);
        std::erase_if(epochs_, [&](std::uint64_t old) { return old < epoch; });
    }
    /// `readers` (ascending, disjoint) and these.
    void merge(std::span<const ipc::EpochRange> readers, std::vector<ipc::EpochRange>& all) const {
        all.assign(readers.begin(), readers.end());
        const std::lock_guard lock(mutex_);
        for (const std::uint64_t epoch : epochs_) {
            insert_epoch(all, epoch);
        }
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::uint64_t> epochs_;  // ascending; two at most, unless a flush failed
};

}  // namespace strata::producer_impl
