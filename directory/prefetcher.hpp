// SPDX-License-Identifier: Apache-2.0
// Reads parts of mappings into memory in a thread of its own, which starts with the first of them.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>

#include "ipc/background_thread.hpp"
#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

class OpenFile;

/// Jobs hold no reference to their file: before one goes, `forget` sees to it that nobody uses it.
class Prefetcher {
public:
    Prefetcher() noexcept = default;
    Prefetcher(const Prefetcher&) = delete;
    Prefetcher& operator=(const Prefetcher&) = delete;
    /// All files are gone.
    ~Prefetcher();

    /// False if too much is waiting or there is no thread to be had.
    bool add(const OpenFile& file, std::uint64_t offset, std::uint64_t size);
    /// Returns when no job of this file waits or runs. Waits for one step of a job at most.
    void forget(const OpenFile& file) noexcept;
    /// Of what is waiting now; what is added meanwhile is not waited for.
    void wait_until_done();

    // Around a fork: see ipc::ForkHook.
    void prepare_fork() noexcept { mutex_.lock(); }
    void parent_after_fork() noexcept { mutex_.unlock(); }
    void child_after_fork() noexcept;

private:
    struct Job {
        const OpenFile* file;
        std::uint64_t offset;
        std::uint64_t size;
        std::uint64_t number;  // in the order of adding
    };
    static constexpr std::size_t most_jobs = 256;

    void drop_inherited() noexcept;
    bool ensure_thread() noexcept;
    void run() noexcept;

    std::mutex mutex_;
    std::condition_variable changed_;  // something to do, or done
    std::deque<Job> jobs_;             // guarded by mutex_, as all below
    std::uint64_t added_ = 0;
    std::uint64_t number_in_work_ = 0;
    const OpenFile* in_work_ = nullptr;  // a step of its job runs, unlocked
    bool ending_ = false;
    bool inherited_ = false;  // the jobs are those of the process that forked this one
    ipc::BackgroundThread thread_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
