// SPDX-License-Identifier: Apache-2.0
#include "producer/pin_waiter.hpp"

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "ipc/os.hpp"
#include "ipc/store_files.hpp"

namespace strata::producer_impl {

struct PinWaiter::Shared {
    std::mutex mutex;
    std::condition_variable changed;
    std::set<std::uint64_t> watched;  // first epochs
    std::uint64_t gone = 0;
};

namespace {
constexpr std::size_t max_watched = 8;
constexpr auto short_sleep = std::chrono::milliseconds(1);
}  // namespace

PinWaiter::PinWaiter() : shared_(std::make_shared<Shared>()) {}
PinWaiter::~PinWaiter() = default;

void PinWaiter::wait_any(int directory, std::span<const ipc::EpochRange> pinned,
                         std::chrono::steady_clock::time_point deadline) {
    std::unique_lock lock(shared_->mutex);
    const std::uint64_t seen = shared_->gone;
    bool watching = true;
    for (const ipc::EpochRange& range : pinned.first(std::min(pinned.size(), max_watched))) {
        if (!shared_->watched.insert(range.first).second) {
            continue;
        }
        auto control = ipc::os::open_write(directory, ipc::control_file_name);
        try {
            if (!control) {
                throw std::system_error(control.error, std::generic_category());
            }
            const ipc::os::BlockedSignals no_signals;
            std::thread([shared = shared_, range, file = std::move(control.value)] {
                ipc::wait_until_unpinned(file.get(), range);
                const std::lock_guard done(shared->mutex);
                shared->watched.erase(range.first);
                ++shared->gone;
                shared->changed.notify_all();
            }).detach();
        } catch (const std::system_error&) {
            shared_->watched.erase(range.first);
            watching = false;
        }
    }
    const auto until =
        watching ? deadline : std::min(deadline, std::chrono::steady_clock::now() + short_sleep);
    shared_->changed.wait_until(lock, until, [&] { return shared_->gone != seen; });
}

}  // namespace strata::producer_impl
