// SPDX-License-Identifier: Apache-2.0
// The same work on many items by some threads, while the calling thread tells how far it is.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>

namespace strata::volume_impl {

/// Calls work(i, stop) for each i below `count`, in no order, on up to `threads` threads of their
/// own (0: as many as there are processors), which get no signals. `tick` is called every 50 ms and
/// at the end, in the calling thread. The first exception of either ends it: `stop` becomes true,
/// which long work looks at, no further item is begun, and it is thrown here once all threads have
/// ended. Throws Error{system} if no thread can be had.
void for_each_parallel(std::size_t count, unsigned threads,
                       const std::function<void(std::size_t, const std::atomic<bool>&)>& work,
                       const std::function<void()>& tick);

/// Archives that are open at a time: each takes up to three descriptors.
inline constexpr std::size_t archives_at_once = 128;

}  // namespace strata::volume_impl
