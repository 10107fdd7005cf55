// SPDX-License-Identifier: Apache-2.0
// The vocabulary of strata: ids, generations, sizes.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// Number of a dimension: a family of layers under one name. Any 32-bit value.
using Dimension = std::uint32_t;

/// Count of published changes of a store. The first published state of a store is generation 1; it
/// never goes back and survives restarts of the producer. 0 means "none".
using Generation = std::uint64_t;

/// Name of one layer: `layer` is unique within its dimension. Any 64-bit value; small dense numbers
/// are the fastest and need the least index memory.
struct LayerId {
    Dimension dimension = 0;
    std::uint64_t layer = 0;

    /// In type tags, which outlive the version that the compiler's spelling would have in it.
    static constexpr std::string_view strata_type_name = "strata::LayerId";

    friend constexpr auto operator<=>(const LayerId&, const LayerId&) = default;
};

/// Largest payload of one layer, in bytes, whatever the size of its region (1 TiB less one page).
inline constexpr std::uint64_t max_region_bytes = std::uint64_t{1} << 40;

/// Longest name of a store, a dimension or a layer, in bytes.
inline constexpr std::size_t max_store_name_bytes = 200;
inline constexpr std::size_t max_dimension_name_bytes = 55;
inline constexpr std::size_t max_layer_name_bytes = 4096;

inline namespace literals {
/// Binary sizes: `280_MiB`. (Not consteval: Clang 14 emits calls of such operators in some places.)
constexpr std::uint64_t operator""_KiB(unsigned long long n) { return std::uint64_t{n} << 10; }
constexpr std::uint64_t operator""_MiB(unsigned long long n) { return std::uint64_t{n} << 20; }
constexpr std::uint64_t operator""_GiB(unsigned long long n) { return std::uint64_t{n} << 30; }
}  // namespace literals

}  // namespace strata::inline STRATA_ABI_NAMESPACE

template <>
struct std::hash<strata::LayerId> {
    std::size_t operator()(const strata::LayerId& id) const noexcept {
        // Fibonacci hashing: spreads the dimension over the bits that the layer number leaves free.
        return static_cast<std::size_t>((id.layer ^ (std::uint64_t{id.dimension} << 40)) *
                                        0x9E3779B97F4A7C15ULL);
    }
};
