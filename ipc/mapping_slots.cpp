// SPDX-License-Identifier: Apache-2.0
#include "ipc/mapping_slots.hpp"

#include <array>
#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

#include "ipc/failure.hpp"

namespace strata::ipc {

namespace {

std::array<std::atomic<const std::byte*>, 65536> ends;  // zero pages until touched

struct FreeNumbers {
    std::mutex mutex;
    std::vector<std::uint16_t> returned;
    std::uint32_t next = 1;
};

FreeNumbers& free_numbers() {
    static auto* const numbers = new FreeNumbers;  // outlives objects with static storage
    return *numbers;
}

}  // namespace

MappingSlot::MappingSlot(const std::byte* end) {
    FreeNumbers& numbers = free_numbers();
    const std::lock_guard lock(numbers.mutex);
    if (!numbers.returned.empty()) {
        number_ = numbers.returned.back();
        numbers.returned.pop_back();
    } else if (numbers.next < ends.size()) {
        numbers.returned.reserve(numbers.next);  // so that giving one back cannot throw
        number_ = static_cast<std::uint16_t>(numbers.next++);
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
        FreeNumbers& numbers = free_numbers();
        const std::lock_guard lock(numbers.mutex);
        numbers.returned.push_back(number_);
    }
}

void MappingSlot::set_end(const std::byte* end) noexcept {
    // Release, with the acquire in end_of: who reads the end may read up to it.
    ends[number_].store(end, std::memory_order_release);
}

const std::byte* MappingSlot::end_of(std::uint16_t number) noexcept {
    return ends[number].load(std::memory_order_acquire);  // partner: set_end
}

}  // namespace strata::ipc
