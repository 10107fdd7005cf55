// SPDX-License-Identifier: Apache-2.0
// Type tags: 64 bits that say which type a layer holds, so that a consumer cannot read a Quote as a
// Trade. A tag is made of a text that any language can write.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "strata/detail/type_name.hpp"
#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// The name of T in its tag: `i8` to `i64` and `u8` to `u64` for integers, whatever C++ calls them
/// (`unsigned long` and `unsigned long long` are both `u64`), `f32`, `f64`, `bool`, `byte`, `char`,
/// `char8`, `char16`, `char32`; of any other type its member
/// `static constexpr std::string_view strata_type_name`, and without one the compiler's spelling,
/// which is the same in GCC and Clang for types that are no templates. A type that other languages
/// are to name declares the member.
template <class T>
constexpr std::string_view type_name() noexcept {
    using U = std::remove_cv_t<T>;
    if constexpr (detail::HasOwnName<U>) {
        return U::strata_type_name;
    } else if constexpr (std::same_as<U, bool>) {
        return "bool";
    } else if constexpr (std::same_as<U, std::byte>) {
        return "byte";
    } else if constexpr (std::same_as<U, char>) {
        return "char";
    } else if constexpr (std::same_as<U, char8_t>) {
        return "char8";
    } else if constexpr (std::same_as<U, char16_t>) {
        return "char16";
    } else if constexpr (std::same_as<U, char32_t>) {
        return "char32";
    } else if constexpr (std::integral<U> && !std::same_as<U, wchar_t> && sizeof(U) <= 8) {
        return detail::integer_name<U>();
    } else if constexpr (std::same_as<U, float>) {
        return "f32";
    } else if constexpr (std::same_as<U, double>) {
        return "f64";
    } else {
        return detail::spelled_name<U>();
    }
}

/// The tag of a type of that name, size and alignment in bytes: FNV-1a (64 bits) of the text
/// `name:size:alignment`, for an array of them `name[]:size:alignment`, where size and alignment
/// are an element's; 1 in place of 0. So `f64:8:8` for a double, `Quote[]:24:8` for Quotes.
constexpr std::uint64_t type_tag_of(std::string_view name, std::uint64_t size,
                                    std::uint64_t alignment, bool array = false) noexcept {
    std::uint64_t hash = detail::fnv1a(detail::fnv1a_start, name);
    hash = detail::fnv1a(hash, array ? "[]" : "");
    hash = detail::fnv1a_field(detail::fnv1a_field(hash, size), alignment);
    return hash == 0 ? 1 : hash;
}

/// The tag of T (for an array: `T[]`), at compile time. A type that wants a number of its own
/// (versions, hashes of a schema) declares `static constexpr std::uint64_t strata_type_tag = ...;`:
/// its name is then `#` and the 16 hexadecimal digits of that number.
template <class T>
constexpr std::uint64_t type_tag() noexcept {
    using Element = std::remove_cv_t<std::remove_extent_t<T>>;
    if constexpr (detail::HasOwnTag<Element>) {
        char name[17] = {'#'};
        std::uint64_t rest = Element::strata_type_tag;
        for (std::size_t i = 16; i > 0; --i, rest >>= 4) {
            name[i] = "0123456789abcdef"[rest & 15];
        }
        return type_tag_of(std::string_view(name, sizeof(name)), sizeof(Element), alignof(Element),
                           std::is_array_v<T>);
    } else {
        return type_tag_of(type_name<Element>(), sizeof(Element), alignof(Element),
                           std::is_array_v<T>);
    }
}

/// For people: `f64`, `u32[]`, `plain bytes` (tag 0), and `type 0x...` for what has no name here.
std::string type_tag_text(std::uint64_t tag);

}  // namespace strata::inline STRATA_ABI_NAMESPACE
