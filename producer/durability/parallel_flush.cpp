// SPDX-License-Identifier: Apache-2.0
#include "producer/durability/parallel_flush.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <mutex>

#include "ipc/background_thread.hpp"
#include "ipc/os/named_files.hpp"
#include "ipc/os/sync.hpp"

namespace strata::producer_impl {

int flush_all(std::span<const int> files, Flush what, bool in_parallel,
              std::size_t& failed) noexcept {
    const auto flush = what == Flush::all ? ipc::os::sync_file : ipc::os::sync_data;
    constexpr std::size_t most_helpers = 15;
    if (files.size() > 1) {
        std::ranges::for_each(files, ipc::os::start_writeback);
    }
    std::atomic<std::size_t> next{0};
    std::mutex mutex;
    int first_error = 0;
    const auto work = [&]() noexcept {
        for (;;) {
            // Relaxed: it only gives out places; the join orders the results.
            const std::size_t mine = next.fetch_add(1, std::memory_order_relaxed);
            if (mine >= files.size()) {
                return;
            }
            if (const int error = flush(files[mine])) {
                const std::lock_guard lock(mutex);
                if (first_error == 0) {
                    first_error = error;
                    failed = mine;
                }
            }
        }
    };
    std::array<ipc::BackgroundThread, most_helpers> helpers;
    const std::size_t wanted =
        in_parallel && !files.empty() ? std::min(most_helpers, files.size() - 1) : 0;
    for (std::size_t i = 0; i < wanted && helpers[i].start(work); ++i) {
    }
    work();
    for (ipc::BackgroundThread& helper : helpers) {
        if (helper.running()) {
            helper.join();
        }
    }
    return first_error;
}

}  // namespace strata::producer_impl
