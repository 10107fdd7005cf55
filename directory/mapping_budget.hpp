// SPDX-License-Identifier: Apache-2.0
// How many mappings the directories of a process take, all together. The kernel's limit is for
// everybody: without mappings there are no threads and no memory for them, and no way to survive a
// lost page.
#pragma once

#include <cstdint>
#include <optional>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

class MappingBudget {
public:
    /// Seven eighths of vm.max_map_count, which leaves thousands for others.
    static std::uint64_t most_of(std::optional<std::uint64_t> kernel_limit) noexcept;

    /// False, and nothing taken, if more than `most` would be in use.
    static bool take(std::uint64_t mappings, std::uint64_t most) noexcept;
    static void give_back(std::uint64_t mappings) noexcept;
    static std::uint64_t used() noexcept;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
