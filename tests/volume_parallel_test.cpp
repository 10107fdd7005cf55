// SPDX-License-Identifier: Apache-2.0
// Work on many items by some threads, of which not all can be had. The program has a pthread_create
// of its own, which fails when a test says so.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <dlfcn.h>
#include <mutex>
#include <pthread.h>
#include <set>
#include <stdexcept>
#include <thread>

#include <doctest/doctest.h>

#include "tests/skip.hpp"
#include "tests/support/process.hpp"
#include "tests/support/temp_store.hpp"
#include "volume/parallel.hpp"

using namespace strata;
using namespace strata::test;
using volume_impl::for_each_parallel;

namespace {

constexpr std::size_t items = 100;

std::atomic<int> threads_to_be_had{-1};  ///< negative: as many as one likes
std::atomic<std::size_t> threads_asked_for{0};

/// While it lives, so many more threads can be started.
struct FewThreads {
    explicit FewThreads(int count) { threads_to_be_had = count; }
    FewThreads(const FewThreads&) = delete;
    FewThreads& operator=(const FewThreads&) = delete;
    ~FewThreads() { threads_to_be_had = -1; }
};

/// Which items were worked on, and by how many threads.
struct Seen {
    std::mutex mutex;
    std::multiset<std::size_t> items;
    std::set<std::thread::id> threads;

    void add(std::size_t item) {
        const std::lock_guard lock(mutex);
        items.insert(item);
        threads.insert(std::this_thread::get_id());
    }
    bool each_once(std::size_t count) const {
        return items.size() == count && std::set(items.begin(), items.end()).size() == count &&
               (count == 0 || *items.rbegin() == count - 1);
    }
};

}  // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && !defined(__has_feature)
#define STRATA_OWN_THREADS 1
#elif defined(__has_feature)
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
#define STRATA_OWN_THREADS 1
#endif
#endif

#ifdef STRATA_OWN_THREADS
extern "C" int pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                              void* (*start)(void*), void* argument) {
    ++threads_asked_for;
    if (threads_to_be_had == 0) {
        return EAGAIN;
    }
    if (threads_to_be_had > 0) {
        --threads_to_be_had;
    }
    static const auto real =
        reinterpret_cast<decltype(&pthread_create)>(::dlsym(RTLD_NEXT, "pthread_create"));
    return real(thread, attributes, start, argument);
}
#endif

TEST_CASE("each item is worked on once, by threads of their own") {
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, items}) {
        Seen seen;
        int ticks = 0;
        for_each_parallel(
            count, 3, [&](std::size_t item, const std::atomic<bool>&) { seen.add(item); },
            [&] { ++ticks; });
        CHECK(seen.each_once(count));
        CHECK(seen.threads.count(std::this_thread::get_id()) == 0);
        CHECK(seen.threads.size() <= 3);
        CHECK(ticks > 0);
    }
}

TEST_CASE("no more threads are started than there are items, nor than were asked for") {
    STRATA_SKIP_IF(sanitized, "with a sanitizer threads are the sanitizer's");
    const auto started = [](std::size_t count, unsigned threads) {
        Seen seen;
        threads_asked_for = 0;
        for_each_parallel(
            count, threads, [&](std::size_t item, const std::atomic<bool>&) { seen.add(item); },
            nullptr);
        CHECK(seen.each_once(count));
        return threads_asked_for.load();
    };
    CHECK(started(0, 4) == 0);
    CHECK(started(1, 4) == 1);
    CHECK(started(2, 4) == 2);
    CHECK(started(items, 1) == 1);
    CHECK(started(items, 4) == 4);
    const std::size_t processors = std::max(1U, std::thread::hardware_concurrency());
    CHECK(started(items, 0) == std::min(items, processors));
}

TEST_CASE("threads that cannot be had are done without; not one is an error") {
    STRATA_SKIP_IF(sanitized, "with a sanitizer threads are the sanitizer's");
    Seen seen;
    const auto work = [&](std::size_t item, const std::atomic<bool>&) { seen.add(item); };
    for (int threads = 1; threads <= 3; ++threads) {
        const FewThreads few(threads);
        for_each_parallel(items, 4, work, nullptr);
        CHECK(seen.each_once(items));
        CHECK(seen.threads.size() <= static_cast<std::size_t>(threads));
        seen.items.clear();
        seen.threads.clear();
    }
    const FewThreads none(0);
    const auto error = error_of([&] { for_each_parallel(items, 4, work, nullptr); });
    REQUIRE(error);
    CHECK(error->errno_value() == EAGAIN);
    CHECK(error->detail().find("no thread can be started") != std::string::npos);
    CHECK(seen.items.empty());
}

TEST_CASE("the first failure ends the work and is thrown, from an item or from a tick") {
    std::atomic<std::size_t> begun = 0;
    const auto failing = [&](std::size_t item, const std::atomic<bool>&) {
        ++begun;
        if (item == 3) {
            throw std::runtime_error("an item");
        }
    };
    CHECK_THROWS_WITH(for_each_parallel(items, 1, failing, nullptr), "an item");
    CHECK(begun == 4);
    const auto until_told = [](std::size_t, const std::atomic<bool>& stop) {
        while (!stop) {
            std::this_thread::yield();
        }
    };
    CHECK_THROWS_WITH(
        for_each_parallel(items, 2, until_told, [] { throw std::runtime_error("a tick"); }),
        "a tick");
}
