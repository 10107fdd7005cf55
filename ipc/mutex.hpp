// SPDX-License-Identifier: Apache-2.0
// A mutex of which Clang knows what it guards (-Wthread-safety), and the lock that holds it.
#pragma once

#include <mutex>

#include "ipc/thread_annotations.hpp"

namespace strata::ipc {

class STRATA_CAPABILITY("mutex") Mutex {
public:
    Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock() STRATA_ACQUIRE() { mutex_.lock(); }
    void unlock() STRATA_RELEASE() { mutex_.unlock(); }

private:
    std::mutex mutex_;
};

class STRATA_SCOPED_CAPABILITY MutexLock {
public:
    explicit MutexLock(Mutex& mutex) STRATA_ACQUIRE(mutex) : mutex_(mutex) { mutex_.lock(); }
    MutexLock(const MutexLock&) = delete;
    MutexLock& operator=(const MutexLock&) = delete;
    ~MutexLock() STRATA_RELEASE() { mutex_.unlock(); }

private:
    Mutex& mutex_;
};

}  // namespace strata::ipc
