// SPDX-License-Identifier: Apache-2.0
#include "directory/prefetcher.hpp"

#include <algorithm>
#include <new>

#include "directory/open_file.hpp"
#include "directory/preload.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

Prefetcher::~Prefetcher() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    changed_.notify_all();
    if (thread_.running()) {
        thread_.join();
    }
}

bool Prefetcher::add(const OpenFile& file, std::uint64_t offset, std::uint64_t size) {
    {
        const std::lock_guard lock(mutex_);
        drop_inherited();
        if (jobs_.size() >= most_jobs || !ensure_thread()) {
            return false;
        }
        jobs_.push_back({&file, offset, size, added_++});
    }
    changed_.notify_all();
    return true;
}

void Prefetcher::forget(const OpenFile& file) noexcept {
    std::unique_lock lock(mutex_);
    drop_inherited();
    std::erase_if(jobs_, [&](const Job& job) { return job.file == &file; });
    changed_.wait(lock, [&] { return in_work_ != &file; });
    changed_.notify_all();  // who waits until all is done
}

void Prefetcher::wait_until_done() {
    std::unique_lock lock(mutex_);
    drop_inherited();
    const std::uint64_t end = added_;
    changed_.wait(lock, [&] {
        return (jobs_.empty() || jobs_.front().number >= end) &&
               (in_work_ == nullptr || number_in_work_ >= end);
    });
}

void Prefetcher::child_after_fork() noexcept {
    // The thread did not come along. Who waited for the condition is counted in it for ever, so it
    // must not be destroyed.
    thread_.abandon();
    in_work_ = nullptr;
    inherited_ = true;  // to be dropped later: here nothing may be freed
    new (&changed_) std::condition_variable();
    mutex_.unlock();
}

void Prefetcher::drop_inherited() noexcept {
    if (inherited_) {
        jobs_.clear();
        inherited_ = false;
    }
}

bool Prefetcher::ensure_thread() noexcept {
    return thread_.running() || thread_.start([this] { run(); });
}

void Prefetcher::run() noexcept {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return ending_ || !jobs_.empty(); });
        if (ending_) {
            return;
        }
        Job& first = jobs_.front();
        Job step = first;
        step.size = std::min(step.size, preload_step);
        first.offset += step.size;
        first.size -= step.size;
        if (first.size == 0) {
            jobs_.pop_front();
        }
        in_work_ = step.file;
        number_in_work_ = step.number;
        lock.unlock();
        const int error = preload_part(*step.file, step.offset, step.size);
        lock.lock();
        if (error != 0) {  // who reads there will be told
            std::erase_if(jobs_, [&](const Job& job) { return job.file == step.file; });
        }
        in_work_ = nullptr;
        changed_.notify_all();
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
