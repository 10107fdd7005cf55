// SPDX-License-Identifier: Apache-2.0
#include "ipc/lock_table.hpp"

#include <algorithm>
#include <cerrno>

#include "ipc/format/layout.hpp"

namespace strata::ipc {

namespace {

constexpr std::uint64_t first_byte(std::uint64_t epoch) noexcept { return epoch << pin_pid_bits; }

std::uint64_t pin_byte(std::uint64_t epoch, std::int64_t pid) noexcept {
    return first_byte(epoch) + static_cast<std::uint64_t>(pid);
}

// Safe from wrapping: the kernel's ranges end below 2^63.
std::uint64_t end_of(const os::LockRange& lock) noexcept { return lock.start + lock.length; }

}  // namespace

int lock_pin(const FileDescriptor& control, std::uint64_t epoch, std::int64_t pid) noexcept {
    return os::set_lock(control.get(), os::LockType::shared, pin_byte(epoch, pid), 1);
}

int unlock_pin(const FileDescriptor& control, std::uint64_t epoch, std::int64_t pid) noexcept {
    return os::set_lock(control.get(), os::LockType::unlock, pin_byte(epoch, pid), 1);
}

int announce_waiter(const FileDescriptor& control, std::int64_t pid) noexcept {
    const int error = os::set_lock(control.get(), os::LockType::shared,
                                   waiter_lock_base + static_cast<std::uint64_t>(pid), 1);
    char byte = 0;
    return error != 0 ? error : os::read_at(control.get(), &byte, 1, 0);
}

LockState waiters(const FileDescriptor& control) noexcept {
    const auto found =
        os::find_lock(control.get(), os::LockType::exclusive, waiter_lock_base, pid_span);
    return !found ? LockState::unknown : found.value ? LockState::held : LockState::free;
}

LockState pins_up_to(const FileDescriptor& control, std::uint64_t last) noexcept {
    const std::uint64_t length = first_byte(last + 1);
    const int error = os::set_lock(control.get(), os::LockType::exclusive, 0, length);
    if (error != 0) {
        return error == EAGAIN ? LockState::held : LockState::unknown;
    }
    os::set_lock(control.get(), os::LockType::unlock, 0, length);
    return LockState::free;
}

os::Result<std::optional<EpochRange>> find_pin(const FileDescriptor& control,
                                               const EpochRange& range) noexcept {
    const std::uint64_t low = first_byte(range.first);
    const std::uint64_t high = first_byte(range.last + 1);
    const auto lock = os::find_lock(control.get(), os::LockType::exclusive, low, high - low);
    if (!lock || !lock.value) {
        return {std::nullopt, lock.error};
    }
    const std::uint64_t from = std::max(low, lock.value->start);
    const std::uint64_t to = std::clamp(end_of(*lock.value), from + 1, high);
    return {EpochRange{from >> pin_pid_bits, (to - 1) >> pin_pid_bits}};
}

PinHolders pin_holders(const FileDescriptor& control, const EpochRange& range,
                       std::size_t max_questions) {
    PinHolders result;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps{
        {first_byte(range.first), first_byte(range.last + 1)}};
    for (std::size_t asked = 0; !gaps.empty(); ++asked) {
        if (asked == max_questions) {
            result.error = EAGAIN;
            break;
        }
        const auto [low, high] = gaps.back();
        gaps.pop_back();
        const auto lock = os::find_lock(control.get(), os::LockType::exclusive, low, high - low);
        if (!lock) {
            result.error = lock.error;
            break;
        }
        if (!lock.value) {
            continue;
        }
        const std::uint64_t from = std::max(low, lock.value->start);
        const std::uint64_t to = std::clamp(end_of(*lock.value), from + 1, high);
        if (!lock.value->exclusive) {  // else it is the producer's own probe
            result.holders.push_back(
                {static_cast<std::int64_t>(from & (pid_span - 1)), from >> pin_pid_bits});
        }
        if (low < from) {
            gaps.emplace_back(low, from);
        }
        if (to < high) {
            gaps.emplace_back(to, high);
        }
    }
    std::sort(result.holders.begin(), result.holders.end(),
              [](const PinHolder& a, const PinHolder& b) {
                  return std::pair(a.epoch, a.pid) < std::pair(b.epoch, b.pid);
              });
    return result;
}

}  // namespace strata::ipc
