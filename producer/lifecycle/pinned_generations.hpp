// SPDX-License-Identifier: Apache-2.0
// The generations that readers may still have when a store is taken over, by the epochs they pin;
// and what follows from them for the births of what is found. See docs/reclamation.md, C16 and C22.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "ipc/lock_table.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

/// The last generation that readers of an epoch can have.
struct PinnedGeneration {
    std::uint64_t epoch = 0;
    std::uint64_t root = 0;  // offset of its record
    Generation generation = 0;
    Generation oldest = 0;          // the first that they can have
    std::uint64_t next_serial = 0;  // no region file from this number on existed then
};

class PinnedGenerations {
public:
    /// `epoch`: the current one, of which nobody has read anything but the current generation.
    explicit PinnedGenerations(std::uint64_t epoch) noexcept : epoch_(epoch) {}

    /// Ascending.
    void add(const PinnedGeneration& pinned) { known_.push_back(pinned); }
    /// Epochs of which it is not known what their readers have.
    void add_unknown(const ipc::EpochRange& range) noexcept {
        unknown_ = unknown_ ? ipc::EpochRange{std::min(unknown_->first, range.first),
                                              std::max(unknown_->last, range.last)}
                            : range;
    }

    const std::vector<PinnedGeneration>& known() const noexcept { return known_; }
    /// The smallest range that contains all of them.
    const std::optional<ipc::EpochRange>& unknown() const noexcept { return unknown_; }

    /// The first epoch whose readers can have something that `generation` published and the current
    /// one still has. 0: that is older than anything.
    std::uint64_t birth_of(Generation generation) const noexcept {
        return first_epoch(
            [&](const PinnedGeneration& old) { return old.generation >= generation; });
    }
    /// The same of a region file.
    std::uint64_t birth_of_file(std::uint64_t serial) const noexcept {
        return first_epoch([&](const PinnedGeneration& old) { return old.next_serial > serial; });
    }

private:
    template <class Has>
    std::uint64_t first_epoch(Has has) const noexcept {
        const auto first = std::find_if(known_.begin(), known_.end(), has);
        const std::uint64_t known = first != known_.end() ? first->epoch : epoch_;
        return unknown_ ? std::min(known, unknown_->first) : known;
    }

    std::uint64_t epoch_;
    std::vector<PinnedGeneration> known_;
    std::optional<ipc::EpochRange> unknown_;
};

}  // namespace strata::producer_impl
