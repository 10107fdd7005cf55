// SPDX-License-Identifier: Apache-2.0
// Which pins have been older than the current epoch for how long, and which of them
// ProducerOptions::slow_readers calls slow. Told to the user without any lock held.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <vector>

#include "ipc/lock_table.hpp"
#include "producer/commit_lock.hpp"
#include "producer/reclaim/limbo.hpp"
#include "producer/reclaim/retired_files.hpp"
#include "strata/slow_reader.hpp"

namespace strata::producer_impl {

/// To the lock table, where it is asked for names or numbers of readers: those are for people.
inline constexpr std::size_t max_pin_questions = 128;

class SlowReaders {
public:
    explicit SlowReaders(const SlowReaderOptions& limits) noexcept : limits_(limits) {}

    /// What the lock table says, after each query. Time O(pins).
    void update(std::span<const ipc::EpochRange> pinned, std::int64_t now_ns)
        STRATA_REQUIRES(commit_role);
    /// Since when (CLOCK_REALTIME) the epoch is over and pinned; `now_ns` if it was not seen yet.
    std::int64_t pinned_since(std::uint64_t epoch, std::int64_t now_ns) const noexcept
        STRATA_REQUIRES(commit_role);
    /// Finds those that exceed a limit and have not been reported yet. `control`: whose locks to
    /// ask for; `epoch`: the current one.
    void find(std::span<const ipc::EpochRange> pinned, const ipc::FileDescriptor& control,
              std::uint64_t epoch, const Limbo& limbo, const std::vector<RetiredFile>& files)
        STRATA_REQUIRES(commit_role);

    /// Tells the user. Takes `commit_mutex` for a moment if there is something to tell.
    void deliver(std::mutex& commit_mutex) STRATA_EXCLUDES(commit_role);

private:
    struct Pin {
        std::int64_t since_ns;  // wall clock when the epoch was over, for display
        std::chrono::steady_clock::time_point since;  // the same, for measuring
        bool reported;
    };

    const SlowReaderOptions& limits_;
    std::map<std::uint64_t, Pin> pins_ STRATA_GUARDED_BY(commit_role);  // by epoch
    std::vector<SlowReader> found_ STRATA_GUARDED_BY(commit_role);      // not yet told
    std::atomic<bool> waiting_{false};                                  // there are some in found_
};

}  // namespace strata::producer_impl
