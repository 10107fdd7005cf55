// SPDX-License-Identifier: Apache-2.0
// Open-file-description locks: owned by the description, dropped by the kernel with its last
// descriptor. They carry all that readers say: see docs/reclamation.md and fcntl(2).
#pragma once

#include <cstdint>
#include <optional>

#include "ipc/os/descriptor.hpp"

namespace strata::ipc::os {

enum class LockType : unsigned char { shared, exclusive, unlock };
/// 0, EAGAIN (someone else's lock is in the way), or another errno. Never blocks.
int set_lock(int fd, LockType type, std::uint64_t start, std::uint64_t length) noexcept;
struct LockRange {
    std::uint64_t start = 0;
    std::uint64_t length = 0;
    bool exclusive = false;
};
/// Some lock of another description that conflicts with an exclusive (`type` exclusive) or a shared
/// one on the range; nullopt: there is none. An error says neither.
Result<std::optional<LockRange>> find_lock(int fd, LockType type, std::uint64_t start,
                                           std::uint64_t length) noexcept;

}  // namespace strata::ipc::os
