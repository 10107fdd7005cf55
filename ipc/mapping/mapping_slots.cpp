// SPDX-License-Identifier: Apache-2.0
#include "ipc/mapping/mapping_slots.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <utility>

#include "ipc/failure.hpp"
#include "ipc/fork_hooks.hpp"

namespace strata::ipc {

namespace {

std::array<std::atomic<const std::byte*>, 65536> ends;  // zero pages until touched

// Numbers that were given back, each with the next one: a list that needs no memory of its own.
// Guarded by ProcessLock::mapping_slots.
std::array<std::uint16_t, 65536> next_returned;
constinit std::uint16_t first_returned = 0;  // 0: none
constinit std::uint32_t first_unused = 1;

}  // namespace

MappingSlot::MappingSlot(const std::byte* end) {
    const std::lock_guard lock(process_mutex(ProcessLock::mapping_slots));
    if (first_returned != 0) {
        number_ = std::exchange(first_returned, next_returned[first_returned]);
    } else if (first_unused < ends.size()) {
        number_ = static_cast<std::uint16_t>(first_unused++);
    } else {
        fail(Errc::system, "map region", "", "65535 regions are mapped in this process already",
             "detach consumers that are not needed");
    }
    set_end(end);
}

MappingSlot::MappingSlot(MappingSlot&& other) noexcept : number_(std::exchange(other.number_, 0)) {}

MappingSlot& MappingSlot::operator=(MappingSlot&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
}

MappingSlot::~MappingSlot() {
    if (number_ != 0) {
        set_end(nullptr);
        const std::lock_guard lock(process_mutex(ProcessLock::mapping_slots));
        next_returned[number_] = std::exchange(first_returned, number_);
    }
}

void MappingSlot::set_end(const std::byte* end) noexcept {
    // Release, with the acquire in end_of: a reader of the end may read up to it.
    ends[number_].store(end, std::memory_order_release);
}

const std::byte* MappingSlot::end_of(std::uint16_t number) noexcept {
    return ends[number].load(std::memory_order_acquire);  // partner: set_end
}

}  // namespace strata::ipc
