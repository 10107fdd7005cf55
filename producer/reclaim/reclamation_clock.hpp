// SPDX-License-Identifier: Apache-2.0
// The reclamation clock: the epoch word of the control file, the roots that its past epochs ended
// with, and who still pins one of them. It only ever moves forward.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "ipc/lock_table.hpp"
#include "producer/commit_lock.hpp"
#include "producer/control_region.hpp"
#include "producer/reclaim/closing_roots.hpp"
#include "producer/reclaim/pinned_epochs.hpp"
#include "strata/types.hpp"

namespace strata::producer_impl {

class ReclamationClock {
public:
    /// `control` outlives this object. Throws std::bad_alloc.
    explicit ReclamationClock(ControlRegion& control) : control_(control) {}

    /// Any thread: what it reads may be older than the truth, which only holds blocks longer.
    std::uint64_t epoch() const noexcept { return epoch_.load(std::memory_order_relaxed); }
    /// There is no epoch after this one: nothing can be reclaimed any more.
    bool at_end() const noexcept { return epoch() + 1 >= ipc::epoch_end; }

    /// Continues a former producer's clock.
    void begin(std::uint64_t epoch) noexcept STRATA_REQUIRES(commit_role);
    /// Ends the epoch, whose readers have no root newer than the one at `root_offset`; from now on
    /// `oldest` is the first generation that can be asked for. Then asks the kernel which past
    /// epochs are pinned, with at most `questions` + 2 system calls. False: the clock is at its
    /// end, and nothing has changed.
    bool advance(std::uint64_t root_offset, Generation oldest, unsigned questions) noexcept
        STRATA_REQUIRES(commit_role);

    /// Past epochs that were pinned when the clock last advanced: ascending, disjoint, valid until
    /// it does so again.
    std::span<const ipc::EpochRange> pins() const noexcept STRATA_REQUIRES(commit_role) {
        return pinned_.ranges();
    }
    const ClosingRoots& closing_roots() const noexcept STRATA_REQUIRES(commit_role) {
        return closing_roots_;
    }

private:
    ControlRegion& control_;
    std::atomic<std::uint64_t> epoch_{0};
    Generation oldest_in_epoch_ STRATA_GUARDED_BY(commit_role) = 0;  // that its readers can have
    PinnedEpochs pinned_ STRATA_GUARDED_BY(commit_role);
    ClosingRoots closing_roots_ STRATA_GUARDED_BY(commit_role);
};

}  // namespace strata::producer_impl
