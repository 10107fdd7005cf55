// SPDX-License-Identifier: Apache-2.0
// A process-wide table from a small number to the end of a mapping's readable bytes. A Layer
// carries the number, so that it fits two registers and its metadata can still be bounds-checked.
#pragma once

#include <cstddef>
#include <cstdint>

namespace strata::ipc {

/// Owns one slot; movable. Thread-safe against other slots' owners.
class MappingSlot {
public:
    MappingSlot() noexcept = default;
    /// Throws Error{system} if all 65,535 slots are taken.
    explicit MappingSlot(const std::byte* end);
    MappingSlot(MappingSlot&& other) noexcept;
    MappingSlot& operator=(MappingSlot&& other) noexcept;
    ~MappingSlot();

    std::uint16_t number() const noexcept { return number_; }
    /// More bytes became readable.
    void set_end(const std::byte* end) noexcept;
    /// End of the readable bytes of the mapping with that number; null if there is none.
    static const std::byte* end_of(std::uint16_t number) noexcept;

private:
    std::uint16_t number_ = 0;  // 0: none
};

}  // namespace strata::ipc
