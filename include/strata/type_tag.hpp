// SPDX-License-Identifier: Apache-2.0
// A 64-bit fingerprint of a type, so that a consumer cannot read a Quote as a Trade.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace strata {

namespace detail {

template <class T>
constexpr std::string_view type_name() noexcept {
#if defined(__clang__) || defined(__GNUC__)
    // "... type_name() [with T = Quote; ...]" (GCC) or "... [T = Quote]" (Clang)
    constexpr std::string_view text = __PRETTY_FUNCTION__;
    constexpr std::size_t begin = text.find("T = ") + 4;
    constexpr std::size_t end = text.find_first_of(";]", begin);
    return text.substr(begin, end - begin);
#else
    return __FUNCSIG__;
#endif
}

// FNV-1a, 64 bits: http://www.isthe.com/chongo/tech/comp/fnv/
constexpr std::uint64_t fnv1a(std::uint64_t hash, std::string_view text) noexcept {
    for (const char c : text) {
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ULL;
    }
    return hash;
}

template <class T>
concept HasOwnTag = requires {
    { T::strata_type_tag } -> std::convertible_to<std::uint64_t>;
};

}  // namespace detail

/// Fingerprint of T (for an array: `T[]`), computed at compile time from the spelling of its name,
/// its size and its alignment; never 0. Equal in GCC and Clang for types with plain names. A type
/// that wants to control it (renames, versions, other compilers) declares
/// `static constexpr std::uint64_t strata_type_tag = ...;`.
template <class T>
constexpr std::uint64_t type_tag() noexcept {
    using Element = std::remove_cv_t<std::remove_extent_t<T>>;
    std::uint64_t hash = 0xCBF29CE484222325ULL;
    if constexpr (detail::HasOwnTag<Element>) {
        hash = (hash ^ Element::strata_type_tag) * 0x100000001B3ULL;
    } else {
        hash = detail::fnv1a(hash, detail::type_name<Element>());
    }
    hash = (hash ^ sizeof(Element)) * 0x100000001B3ULL;
    hash = (hash ^ alignof(Element)) * 0x100000001B3ULL;
    hash = (hash ^ (std::is_array_v<T> ? 1U : 0U)) * 0x100000001B3ULL;
    return hash == 0 ? 1 : hash;
}

}  // namespace strata
