// SPDX-License-Identifier: Apache-2.0
#include "consumer/attachment/watcher.hpp"

#include <bit>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include "ipc/format/atomic_word.hpp"
#include "ipc/os.hpp"
#include "ipc/os/fault.hpp"

namespace strata::consumer_impl {

namespace {

// If the word cannot be slept on: how long until that is tried again.
constexpr std::chrono::milliseconds lost_period{100};

}  // namespace

struct Watcher::Shared {
    const std::uint64_t* word = nullptr;
    std::optional<std::uint64_t> acted_at;
    std::optional<std::chrono::milliseconds> period;
    std::function<void()> act;
    std::uint32_t mask = 0;  // wakes meant for this thread alone carry this bit
    ipc::os::OwnWord stopping{0};
    std::mutex mutex;
    std::condition_variable ended_signal;
    bool ended = false;

    bool goes_on() const noexcept { return stopping.load(std::memory_order_acquire) == 0; }

    // The word's value before `act` was called, if it could be read.
    std::optional<std::uint64_t> look() {
        const ipc::FaultGuard guard;
        const std::uint64_t seen = ipc::load_acquire(*word);
        if (acted_at != seen) {
            act();
        }
        // No word that is watched is ever 0: another thread's guard has zeros in the page's place.
        return guard.faulted() || seen == 0 ? std::nullopt : std::optional(seen);
    }

    void run() {
        while (goes_on()) {
            const auto seen = look();
            acted_at.reset();
            if (!goes_on()) {
                break;
            }
            const auto now = std::chrono::steady_clock::now();
            const auto deadline = period ? std::optional(now + *period) : std::nullopt;
            // A page that is gone gives no sleep and no wake-up: the kernel finds futexes by it.
            if (!seen || ipc::os::futex_wait_either(ipc::futex_word(*word),
                                                    static_cast<std::uint32_t>(*seen), stopping,
                                                    deadline, mask) == ipc::os::Woken::lost) {
                ipc::os::sleep_until_ended(stopping, now + lost_period);
            }
        }
        const std::lock_guard lock(mutex);
        ended = true;
        ended_signal.notify_all();
    }
};

bool Watcher::start(const std::uint64_t& word, std::optional<std::uint64_t> acted_at,
                    std::optional<std::chrono::milliseconds> period,
                    std::function<void()> act) noexcept {
    static constinit std::atomic<unsigned> started{0};
    try {
        shared_ = std::make_shared<Shared>();
        shared_->word = &word;
        shared_->acted_at = acted_at;
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
    ipc::os::end_wait(shared_->stopping);
    {
        // That is all, except where the kernel cannot wait for two words: there the thread has to
        // be woken on the shared one. It may be just about to sleep, so one wake can come too
        // early: the word that it compares is the producer's, and no consumer can change that.
        std::unique_lock lock(shared_->mutex);
        while (!shared_->ended_signal.wait_for(lock, std::chrono::milliseconds(1),
                                               [&] { return shared_->ended; })) {
            ipc::os::futex_wake(ipc::futex_word(*shared_->word), shared_->mask);
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
