// SPDX-License-Identifier: Apache-2.0
// The lock that makes commits, reclaiming and all other changes of a store serial. Its parts say
// with STRATA_REQUIRES(commit_role) which of their functions need it.
#pragma once

#include <mutex>

#include "ipc/thread_annotations.hpp"

namespace strata::producer_impl {

/// One name for the commit locks of all stores: the parts of a store know their own store's alone.
class STRATA_CAPABILITY("commit lock") CommitRole {};
inline constexpr CommitRole commit_role;

class STRATA_SCOPED_CAPABILITY CommitLock {
public:
    explicit CommitLock(std::mutex& mutex) STRATA_ACQUIRE(commit_role) : lock_(mutex) {}
    ~CommitLock() STRATA_RELEASE() {}
    CommitLock(const CommitLock&) = delete;
    CommitLock& operator=(const CommitLock&) = delete;

private:
    const std::lock_guard<std::mutex> lock_;
};

}  // namespace strata::producer_impl
