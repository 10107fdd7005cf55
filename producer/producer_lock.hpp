// SPDX-License-Identifier: Apache-2.0
// The lock that makes a producer the only one. It stands in a file that only the producer's user
// can open, so that no consumer can get in its way.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ipc/os.hpp"
#include "ipc/store_files.hpp"

namespace strata::producer_impl {

class ProducerLock {
public:
    /// Locks an existing store. Throws producer_active (with the pid of the other),
    /// permission_denied, not_a_store.
    static ProducerLock take(const ipc::StoreDirectory& store, std::string_view operation);
    /// Makes the file in a store that is being built, and locks it.
    static ProducerLock create(int directory, std::string_view operation, std::string_view path);
    enum class State { absent, free, held };
    /// Of the lock in `directory`. One that cannot be opened counts as held.
    static State state(int directory);

    /// Closes the file: in a forked child, whose share would keep the lock alive.
    void forget() noexcept { file_.reset(); }

private:
    explicit ProducerLock(ipc::FileDescriptor file) : file_(std::move(file)) {}
    ipc::FileDescriptor file_;
};

}  // namespace strata::producer_impl
