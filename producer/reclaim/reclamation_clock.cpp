// SPDX-License-Identifier: Apache-2.0
#include "producer/reclaim/reclamation_clock.hpp"

#include "ipc/crash_point.hpp"
#include "ipc/format/atomic_word.hpp"

namespace strata::producer_impl {

void ReclamationClock::begin(std::uint64_t epoch) noexcept {
    epoch_.store(epoch, std::memory_order_relaxed);
    // Readers of this epoch may have what its producers retained.
    oldest_in_epoch_ = ipc::load_relaxed(control_.cells().oldest);
    closing_roots_ = ClosingRoots(control_.closing_roots());
    STRATA_CRASH_POINT("recover.begin");
}

bool ReclamationClock::advance(std::uint64_t root_offset, Generation oldest,
                               unsigned questions) noexcept {
    if (at_end()) {
        return false;
    }
    const std::uint64_t last = epoch();
    closing_roots_.add(last, root_offset, oldest_in_epoch_);
    // Before the lock attempt of `look`. Release; partner: the second load of `epoch` in
    // PinSet::pin_current, ordered with this by the kernel's lock on the file's lock list.
    STRATA_CRASH_POINT("reclaim.begin");
    ipc::store_release(control_.cells().epoch, last + 1);
    STRATA_CRASH_POINT("reclaim.epoch-stored");
    epoch_.store(last + 1, std::memory_order_relaxed);
    // After the epoch: a death in between leaves an older one, which says too little but nothing
    // wrong. Before anything is freed: nobody is directed to what is gone.
    oldest_in_epoch_ = oldest;
    ipc::store_release(control_.cells().oldest, oldest_in_epoch_);
    STRATA_CRASH_POINT("reclaim.oldest-stored");
    pinned_.look(control_.lock_description(), last, questions);
    STRATA_CRASH_POINT("reclaim.pins-known");
    closing_roots_.keep_only(pinned_.ranges());
    return true;
}

}  // namespace strata::producer_impl
