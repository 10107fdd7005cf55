// SPDX-License-Identifier: Apache-2.0
#include "consumer/watcher.hpp"

#include <bit>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <system_error>
#include <utility>

#include "ipc/atomic_word.hpp"
#include "ipc/os.hpp"

namespace strata::consumer_impl {

struct Watcher::Shared {
    const std::uint64_t* word = nullptr;
    std::optional<std::chrono::milliseconds> period;
    std::function<void()> act;
    std::uint32_t mask = 0;  // wakes meant for this thread alone carry this bit
    std::atomic<bool> stopping{false};
    std::mutex mutex;
    std::condition_variable ended_signal;
    bool ended = false;

    void run() {
        while (!stopping.load(std::memory_order_acquire)) {
            const auto seen = static_cast<std::uint32_t>(ipc::load_acquire(*word));
            act();
            if (stopping.load(std::memory_order_acquire)) {
                break;
            }
            std::optional<std::chrono::steady_clock::time_point> deadline;
            if (period) {
                deadline = std::chrono::steady_clock::now() + *period;
            }
            ipc::os::futex_wait(ipc::futex_word(*word), seen, deadline, mask);
        }
        const std::lock_guard lock(mutex);
        ended = true;
        ended_signal.notify_all();
    }
};

bool Watcher::start(const std::uint64_t& word, std::optional<std::chrono::milliseconds> period,
                    std::function<void()> act) noexcept {
    static std::atomic<unsigned> started{0};
    try {
        shared_ = std::make_shared<Shared>();
        shared_->word = &word;
        shared_->period = period;
        shared_->act = std::move(act);
        const auto pid = static_cast<unsigned>(ipc::os::process_id());
        shared_->mask = std::rotl(1U, static_cast<int>((pid + started.fetch_add(1)) % 32));
        thread_.start([shared = shared_] { shared->run(); });
    } catch (const std::bad_alloc&) {
    }
    if (!thread_.running()) {
        shared_.reset();
    }
    return thread_.running();
}

void Watcher::stop() noexcept {
    if (!thread_.running()) {
        return;
    }
    shared_->stopping.store(true, std::memory_order_release);
    {
        // The thread may be just about to sleep, so one wake can come too early: the word that it
        // compares is the producer's, and no consumer can change that.
        std::unique_lock lock(shared_->mutex);
        while (!shared_->ended) {
            ipc::os::futex_wake(ipc::futex_word(*shared_->word), shared_->mask);
            shared_->ended_signal.wait_for(lock, std::chrono::milliseconds(1),
                                           [&] { return shared_->ended; });
        }
    }
    thread_.join();
    shared_.reset();
}

void Watcher::forget() noexcept {
    if (thread_.running()) {
        thread_.abandon();
        // The parent's thread may have been about to change it.
        new (&shared_) std::shared_ptr<Shared>();
    }
}

}  // namespace strata::consumer_impl
