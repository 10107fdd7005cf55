// SPDX-License-Identifier: Apache-2.0
#include "volume/parallel.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "ipc/failure.hpp"
#include "ipc/os.hpp"

namespace strata::volume_impl {

namespace {

class Crew {
public:
    Crew(std::size_t count, const std::function<void(std::size_t, const std::atomic<bool>&)>& work)
        : count_(count), work_(work) {}

    void start(std::size_t threads) {
        const ipc::os::BlockedSignals blocked;
        for (std::size_t i = 0; i < threads; ++i) {
            {
                const std::lock_guard lock(mutex_);
                ++running_;
            }
            try {
                threads_.emplace_back([this] { run(); });
            } catch (const std::system_error& error) {
                const std::lock_guard lock(mutex_);
                --running_;
                if (i == 0) {
                    ipc::fail_errno(error.code().value(), "work in parallel", "",
                                    "no thread can be started", "see `ulimit -u`");
                }
                return;  // the others do the work
            }
        }
    }
    /// Until all threads have done what there is.
    void wait(const std::function<void()>& tick) {
        std::unique_lock lock(mutex_);
        while (
            !done_.wait_for(lock, std::chrono::milliseconds(50), [&] { return running_ == 0; })) {
            if (!tick || failure_) {
                continue;
            }
            lock.unlock();
            try {
                tick();
            } catch (...) {
                remember(std::current_exception());
            }
            lock.lock();
        }
    }
    void join() noexcept {
        for (std::thread& thread : threads_) {
            thread.join();
        }
        threads_.clear();
    }
    void rethrow() const {
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }

private:
    void remember(const std::exception_ptr& failure) noexcept {
        const std::lock_guard lock(mutex_);
        if (!failure_) {
            failure_ = failure;
        }
        stop_.store(true, std::memory_order_relaxed);  // a hint; the mutex orders the rest
    }
    void run() noexcept {
        while (!stop_.load(std::memory_order_relaxed)) {
            const std::size_t item = next_.fetch_add(1, std::memory_order_relaxed);  // a ticket
            if (item >= count_) {
                break;
            }
            try {
                work_(item, stop_);
            } catch (...) {
                remember(std::current_exception());
            }
        }
        const std::lock_guard lock(mutex_);
        if (--running_ == 0) {
            done_.notify_all();
        }
    }

    const std::size_t count_;
    const std::function<void(std::size_t, const std::atomic<bool>&)>& work_;
    std::atomic<std::size_t> next_{0};
    std::atomic<bool> stop_{false};
    std::mutex mutex_;
    std::condition_variable done_;
    std::size_t running_ = 0;       // guarded by mutex_
    std::exception_ptr failure_{};  // guarded by mutex_
    std::vector<std::thread> threads_;
};

}  // namespace

void for_each_parallel(std::size_t count, unsigned threads,
                       const std::function<void(std::size_t, const std::atomic<bool>&)>& work,
                       const std::function<void()>& tick) {
    const std::size_t wanted =
        threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
    Crew crew(count, work);
    crew.start(std::min(count, wanted));
    crew.wait(tick);
    crew.join();
    crew.rethrow();
    if (tick) {
        tick();
    }
}

}  // namespace strata::volume_impl
