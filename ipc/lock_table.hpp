// SPDX-License-Identifier: Apache-2.0
// What the kernel's lock table says about the readers of a store: which epochs are pinned by whom,
// and whether anybody sleeps. A question has three answers, because the kernel may refuse it; code
// that frees or skips something on the strength of an answer treats `unknown` as `held`. See
// docs/reclamation.md for why this is enough.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ipc/os.hpp"

namespace strata::ipc {

enum class LockState : unsigned char { free, held, unknown };

/// Epochs are below this, so that the lock bytes of pins stay below those of waiters.
inline constexpr std::uint64_t epoch_end = std::uint64_t{1} << 40;

/// Epochs first..last.
struct EpochRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;

    friend bool operator==(const EpochRange&, const EpochRange&) = default;
};

struct PinHolder {
    std::int64_t pid = 0;
    std::uint64_t epoch = 0;
};

// Consumers. `control` is a description of control.mmap; each lock belongs to it.
/// 0, EAGAIN (the producer is just closing that epoch: read it again) or an errno (ENOLCK).
int lock_pin(const FileDescriptor& control, std::uint64_t epoch, std::int64_t pid) noexcept;
int unlock_pin(const FileDescriptor& control, std::uint64_t epoch, std::int64_t pid) noexcept;

/// Says that this process sleeps on the generation word from now on, until the description is gone:
/// a shared lock, and then a read that the producer's watch notices. 0 or an errno.
int announce_waiter(const FileDescriptor& control, std::int64_t pid) noexcept;

// Producer.
/// Whether some process has announced that it waits, and still lives. After the watch fired it sees
/// the process that made it fire.
LockState waiters(const FileDescriptor& control) noexcept;
/// Whether anybody else pins any epoch up to `last`. A real lock attempt, so that it is ordered
/// with every consumer's lock call by the kernel's own lock. Precondition: epoch word > last.
LockState pins_up_to(const FileDescriptor& control, std::uint64_t last) noexcept;
/// Some pinned epochs within `range` (one lock's), or nullopt: nobody pins any of them. One
/// question to the kernel, O(locks). To be asked after pins_up_to said `held`.
os::Result<std::optional<EpochRange>> find_pin(const FileDescriptor& control,
                                               const EpochRange& range) noexcept;

// Anybody with a description of the file.
struct PinHolders {
    std::vector<PinHolder> holders;  // ascending by epoch and pid
    /// 0: these are all. EAGAIN: there are more than the questions could find. Else the errno of a
    /// question that the kernel refused.
    int error = 0;
};
/// Who pins epochs within `range`. At most `max_questions` system calls, one or two for each
/// holder; each takes the kernel O(locks).
PinHolders pin_holders(const FileDescriptor& control, const EpochRange& range,
                       std::size_t max_questions);
inline constexpr std::size_t all_pin_holders = ~std::size_t{0};  // for max_questions

}  // namespace strata::ipc
