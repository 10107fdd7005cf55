// SPDX-License-Identifier: Apache-2.0
#include "directory/mapping_budget.hpp"

#include <atomic>

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

namespace {
constinit std::atomic<std::uint64_t> in_use{0};  // a count, nothing more: relaxed
}  // namespace

std::uint64_t MappingBudget::most_of(std::optional<std::uint64_t> kernel_limit) noexcept {
    constexpr std::uint64_t usual = 65'530;
    return kernel_limit.value_or(usual) / 8 * 7;
}

bool MappingBudget::take(std::uint64_t mappings, std::uint64_t most) noexcept {
    std::uint64_t before = in_use.load(std::memory_order_relaxed);
    do {
        if (mappings > most || before > most - mappings) {
            return false;
        }
    } while (!in_use.compare_exchange_weak(before, before + mappings, std::memory_order_relaxed));
    return true;
}

void MappingBudget::give_back(std::uint64_t mappings) noexcept {
    in_use.fetch_sub(mappings, std::memory_order_relaxed);
}

std::uint64_t MappingBudget::used() noexcept { return in_use.load(std::memory_order_relaxed); }

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
