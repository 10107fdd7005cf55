// SPDX-License-Identifier: Apache-2.0
// Sleeping until a reader lets go of its pin.
#pragma once

#include <chrono>
#include <memory>
#include <span>

#include "ipc/lock_table.hpp"

namespace strata::producer_impl {

/// The kernel wakes whoever waits for a lock, but without a timeout and for one range only. So each
/// pinned epoch is waited for by a thread of its own, which sleeps in fcntl(F_OFD_SETLKW) and ends
/// when the pin goes; it is left alone when the producer has waited long enough, or is gone.
class PinWaiter {
public:
    PinWaiter();
    ~PinWaiter();

    /// Sleeps until nobody pins one of these epochs any more, or the deadline. `directory` is the
    /// store's, for a description of the control file of its own. At most 8 epochs are watched, the
    /// oldest ones. A thread that cannot be started makes this a short sleep.
    void wait_any(int directory, std::span<const ipc::EpochRange> pinned,
                  std::chrono::steady_clock::time_point deadline);

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

}  // namespace strata::producer_impl
