// SPDX-License-Identifier: Apache-2.0
// Who flushes waits for those whom the last flush released, and not for ever.
#include "producer/durability/flush_group.hpp"

#include <chrono>
#include <mutex>
#include <thread>

#include <doctest/doctest.h>

using strata::producer_impl::FlushGroup;
using namespace std::chrono_literals;

TEST_CASE("the first to flush, and one that is always alone, wait for nobody") {
    FlushGroup group;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    for (int flush = 0; flush < 3; ++flush) {
        group.enter();
        group.gather(lock);
        CHECK_FALSE(group.gathering());
        group.flushed(10h);
        group.leave();
    }
}

TEST_CASE("a flush waits until as many are back as the last one had, and others see it") {
    FlushGroup group;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    group.enter();
    group.enter();
    group.enter();
    group.flushed(10h);
    group.leave();
    group.leave();
    std::jthread two([&] {
        for (int back = 0; back < 2;) {
            const std::lock_guard its(mutex);
            if (group.gathering()) {
                group.enter();
                ++back;
            }
        }
    });
    group.gather(lock);  // would take five hours
    CHECK_FALSE(group.gathering());
    group.gather(lock);  // they are all there
    group.enter();       // one more is no reason to wait for less
    group.gather(lock);
}

TEST_CASE("those who do not come back are waited for half as long as a flush takes, once") {
    FlushGroup group;
    std::mutex mutex;
    std::unique_lock lock(mutex);
    group.enter();
    group.enter();
    group.flushed(20ms);
    group.leave();
    const auto before = std::chrono::steady_clock::now();
    group.gather(lock);
    CHECK(std::chrono::steady_clock::now() - before >= 10ms);
    CHECK_FALSE(group.gathering());
    group.flushed(10h);
    group.gather(lock);  // would take five hours
}
