// SPDX-License-Identifier: Apache-2.0
// Fetching memory ahead of its use. Never faults, whatever the address.
#pragma once

#include <cstddef>

namespace strata::producer_impl {

enum class Use : unsigned char { read, write };

/// The cache lines of [begin, begin + bytes).
template <Use use>
inline void prefetch([[maybe_unused]] const void* begin,
                     [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__GNUC__)
    constexpr std::size_t line = 64;
    const auto* const first = static_cast<const std::byte*>(begin);
    for (std::size_t at = 0; at < bytes; at += line) {
        __builtin_prefetch(first + at, use == Use::write ? 1 : 0);
    }
#endif
}

}  // namespace strata::producer_impl
