// SPDX-License-Identifier: Apache-2.0
#include "producer/memory/space_reserve.hpp"

#include <algorithm>

#include "ipc/os/named_files.hpp"

namespace strata::producer_impl {

bool leaves_reserve(const ipc::FileDescriptor& file, std::uint64_t bytes, Reserve reserve,
                    std::uint64_t limit) noexcept {
    if (reserve == Reserve::use) {
        return true;
    }
    const auto space = ipc::os::file_system_space(file.get());
    if (!space || !space.value) {
        return true;
    }
    const std::uint64_t whole = MemoryBudget::reserve_of(std::min(limit, space.value->total_bytes));
    const std::uint64_t kept = reserve == Reserve::keep ? whole : whole / 2;
    return space.value->free_bytes >= kept && bytes <= space.value->free_bytes - kept;
}

}  // namespace strata::producer_impl
