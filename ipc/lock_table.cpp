// SPDX-License-Identifier: Apache-2.0
#include "ipc/lock_table.hpp"

#include <algorithm>

#include "ipc/layout.hpp"
#include "ipc/os.hpp"

namespace strata::ipc {

namespace {

constexpr std::uint64_t first_byte(std::uint64_t epoch) noexcept { return epoch << pin_pid_bits; }

std::uint64_t pin_byte(std::uint64_t epoch, std::int64_t pid) noexcept {
    return first_byte(epoch) + static_cast<std::uint64_t>(pid);
}

// Calls visit(first, end, exclusive) for foreign locks in [begin, end), widening each to what
// `widen` says is settled by it, so that every call to the kernel makes progress.
template <class Widen, class Visit>
void for_each_lock(int control, std::uint64_t begin, std::uint64_t end, Widen widen, Visit visit) {
    std::vector<std::pair<std::uint64_t, std::uint64_t>> gaps{{begin, end}};
    while (!gaps.empty()) {
        const auto [low, high] = gaps.back();
        gaps.pop_back();
        if (low >= high) {
            continue;
        }
        const auto lock = os::find_lock(control, os::LockType::exclusive, low, high - low);
        if (!lock) {
            continue;
        }
        const std::uint64_t lock_end =
            lock->length > high - lock->start ? high : lock->start + lock->length;
        const auto [from, to] = widen(std::max(low, lock->start), lock_end);
        visit(from, to, lock->exclusive);
        gaps.emplace_back(low, std::max(low, from));
        gaps.emplace_back(std::min(high, to), high);
    }
}

}  // namespace

int lock_pin(int control, std::uint64_t epoch, std::int64_t pid) noexcept {
    return os::set_lock(control, os::LockType::shared, pin_byte(epoch, pid), 1);
}

void unlock_pin(int control, std::uint64_t epoch, std::int64_t pid) noexcept {
    os::set_lock(control, os::LockType::unlock, pin_byte(epoch, pid), 1);
}

int announce_waiter(int control, std::int64_t pid) noexcept {
    const int error = os::set_lock(control, os::LockType::shared,
                                   waiter_lock_base + static_cast<std::uint64_t>(pid), 1);
    char byte = 0;
    return error != 0 ? error : os::read_at(control, &byte, 1, 0);
}

bool anybody_waits(int control) noexcept {
    return os::find_lock(control, os::LockType::exclusive, waiter_lock_base, pid_span).has_value();
}

bool no_pins_up_to(int control, std::uint64_t last) noexcept {
    const std::uint64_t length = first_byte(last + 1);
    if (os::set_lock(control, os::LockType::exclusive, 0, length) != 0) {
        return false;  // any failure counts as "somebody reads": safe
    }
    os::set_lock(control, os::LockType::unlock, 0, length);
    return true;
}

std::vector<EpochRange> pinned_epochs(int control, std::uint64_t last) {
    std::vector<EpochRange> ranges;
    for_each_lock(
        control, 0, first_byte(last + 1),
        [](std::uint64_t from, std::uint64_t to) {
            // One holder settles its whole epoch, however many others share it.
            return std::pair{first_byte(from >> pin_pid_bits),
                             first_byte(((to - 1) >> pin_pid_bits) + 1)};
        },
        [&](std::uint64_t from, std::uint64_t to, bool) {
            ranges.push_back({from >> pin_pid_bits, (to - 1) >> pin_pid_bits});
        });
    std::sort(ranges.begin(), ranges.end(),
              [](const EpochRange& a, const EpochRange& b) { return a.first < b.first; });
    return ranges;
}

void wait_until_unpinned(int control, const EpochRange& range) noexcept {
    const std::uint64_t start = first_byte(range.first);
    const std::uint64_t length = first_byte(range.last + 1) - start;
    // Nobody pins an epoch that is over anew, so holding the lock for a moment is in nobody's way.
    if (os::wait_lock(control, os::LockType::exclusive, start, length) == 0) {
        os::set_lock(control, os::LockType::unlock, start, length);
    }
}

bool announce_life(int control, std::int64_t pid) noexcept {
    return os::set_lock(control, os::LockType::exclusive,
                        life_lock_base + static_cast<std::uint64_t>(pid), 1) == 0;
}

std::vector<PinHolder> pin_holders(int control, std::uint64_t last) {
    std::vector<PinHolder> holders;
    for_each_lock(
        control, 0, first_byte(last + 1),
        [](std::uint64_t from, std::uint64_t to) {
            return std::pair{from, to};
        },
        [&](std::uint64_t from, std::uint64_t, bool exclusive) {
            if (!exclusive) {  // that is the producer, having a look
                holders.push_back(
                    {static_cast<std::int64_t>(from & (pid_span - 1)), from >> pin_pid_bits});
            }
        });
    std::sort(holders.begin(), holders.end(), [](const PinHolder& a, const PinHolder& b) {
        return std::pair(a.epoch, a.pid) < std::pair(b.epoch, b.pid);
    });
    return holders;
}

std::size_t count_processes(const std::vector<PinHolder>& holders) {
    std::vector<std::int64_t> pids;
    pids.reserve(holders.size());
    for (const PinHolder& holder : holders) {
        pids.push_back(holder.pid);
    }
    std::sort(pids.begin(), pids.end());
    return static_cast<std::size_t>(std::unique(pids.begin(), pids.end()) - pids.begin());
}

std::optional<std::int64_t> find_producer(int control) noexcept {
    // A shared probe: another consumer's lock in that range would not count as a producer.
    const auto lock = os::find_lock(control, os::LockType::shared, life_lock_base, pid_span);
    if (!lock || lock->start < life_lock_base) {
        return std::nullopt;
    }
    return static_cast<std::int64_t>(lock->start - life_lock_base);
}

}  // namespace strata::ipc
