// SPDX-License-Identifier: Apache-2.0
// The lock that makes a producer the only one. It stands in a file that only the producer's user
// can open, so that no consumer can get in its way.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "ipc/files/store_files.hpp"
#include "ipc/files/unshared_file.hpp"
#include "ipc/fork_hooks.hpp"
#include "ipc/os.hpp"

namespace strata::producer_impl {

class ProducerLock {
public:
    /// Locks an existing store. Throws producer_active (with the pid of the other),
    /// permission_denied, not_a_store, not_trusted (a lock file with a second name), system.
    static ProducerLock take(const ipc::StoreDirectory& store, std::string_view operation);
    /// Makes the file in a store that is being built, and locks it.
    static ProducerLock create(const ipc::FileDescriptor& directory, std::string_view operation,
                               std::string_view path);
    enum class State { absent, free, held };
    /// Of the lock in `directory`. One of which that cannot be found out counts as held.
    static State state(const ipc::FileDescriptor& directory);

    ProducerLock(ProducerLock&&) noexcept = default;
    ProducerLock& operator=(ProducerLock&&) noexcept = default;
    ~ProducerLock() { release(); }

    /// Releases the lock even if others share its description: children that were forked without
    /// handlers.
    void release() noexcept;

private:
    explicit ProducerLock(ipc::UnsharedFile file) : file_(std::move(file)) {}

    ipc::UnsharedFile file_;
    ipc::ProcessMark owner_;
};

}  // namespace strata::producer_impl
