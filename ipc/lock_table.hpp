// SPDX-License-Identifier: Apache-2.0
// What the kernel's lock table says about a store: who pins which epoch, and whether a producer
// lives. See docs/reclamation.md for why this is enough.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace strata::ipc {

/// Epochs are below this, so that the lock bytes of pins stay below those of producers.
inline constexpr std::uint64_t epoch_end = std::uint64_t{1} << 40;

/// Epochs first..last are pinned by somebody.
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
int lock_pin(int control, std::uint64_t epoch, std::int64_t pid) noexcept;
void unlock_pin(int control, std::uint64_t epoch, std::int64_t pid) noexcept;

/// Says that this process sleeps on the generation word from now on, until the description is gone:
/// a shared lock, and then a read that the producer's watch notices. 0 or an errno.
int announce_waiter(int control, std::int64_t pid) noexcept;

// Producer.
/// True if some process has announced that it waits, and still lives. After the watch fired it sees
/// whoever made it fire.
bool anybody_waits(int control) noexcept;
/// True if nobody else pins any epoch up to `last`. A real lock attempt, so that it is ordered with
/// every consumer's lock call by the kernel's own lock. Precondition: epoch word > last.
bool no_pins_up_to(int control, std::uint64_t last) noexcept;
/// All pinned epochs up to `last`, ascending and disjoint. Call after no_pins_up_to said no.
std::vector<EpochRange> pinned_epochs(int control, std::uint64_t last);
/// Sleeps in the kernel until nobody pins any of these (old) epochs. `control`: a writable
/// description used for nothing else.
void wait_until_unpinned(int control, const EpochRange& range) noexcept;
/// Marks this process as the living producer. False if the mark could not be set.
bool announce_life(int control, std::int64_t pid) noexcept;

// Anybody with a description of the file.
std::vector<PinHolder> pin_holders(int control, std::uint64_t last);
/// Number of processes among them: one may pin several epochs.
std::size_t count_processes(const std::vector<PinHolder>& holders);
/// Pid of the living producer, if there is one.
std::optional<std::int64_t> find_producer(int control) noexcept;

}  // namespace strata::ipc
