// SPDX-License-Identifier: Apache-2.0
// What type_tag.hpp makes its texts and numbers of, at compile time.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE::detail {

template <class T>
constexpr std::string_view spelled_name() noexcept {
#if defined(__clang__) || defined(__GNUC__)
    // "... spelled_name() [with T = Quote; ...]" (GCC) or "... [T = Quote]" (Clang)
    constexpr std::string_view text = __PRETTY_FUNCTION__;
    constexpr std::size_t begin = text.find("T = ") + 4;
    constexpr std::size_t end = text.find_first_of(";]", begin);
    return text.substr(begin, end - begin);
#else
    return __FUNCSIG__;
#endif
}

// FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/
inline constexpr std::uint64_t fnv1a_start = 0xCBF29CE484222325ULL;
constexpr std::uint64_t fnv1a(std::uint64_t hash, std::string_view text) noexcept {
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    }
    return hash;
}

// ':' and the decimal digits of `number`.
constexpr std::uint64_t fnv1a_field(std::uint64_t hash, std::uint64_t number) noexcept {
    char digits[21] = {};
    std::size_t at = sizeof(digits);
    do {
        digits[--at] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number != 0);
    digits[--at] = ':';
    return fnv1a(hash, std::string_view(digits + at, sizeof(digits) - at));
}

template <class T>
constexpr std::string_view integer_name() noexcept {
    constexpr std::string_view names[2][4] = {{"u8", "u16", "u32", "u64"},
                                              {"i8", "i16", "i32", "i64"}};
    constexpr std::size_t width = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return names[std::is_signed_v<T> ? 1 : 0][width];
}

template <class T>
concept HasOwnName = requires {
    { T::strata_type_name } -> std::convertible_to<std::string_view>;
};

template <class T>
concept HasOwnTag = requires {
    { T::strata_type_tag } -> std::convertible_to<std::uint64_t>;
};

template <class T, class... Others>
concept OneOf = (std::same_as<T, Others> || ...);

}  // namespace strata::inline STRATA_ABI_NAMESPACE::detail
