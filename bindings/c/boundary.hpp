// SPDX-License-Identifier: Apache-2.0
// The boundary of the C ABI: runs C++ behind it, turns what is thrown into a status and the
// caller's strata_error, and reads and writes structs whose size the caller says.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <filesystem>
#include <span>
#include <string_view>

#include <strata/strata.h>
#include <strata/strata.hpp>

namespace strata::bindings {

/// A caller's mistake: `what` is a constant such as "snapshot is NULL". Holds no memory, so that it
/// can be thrown where there is none.
struct BadArgument {
    const char* what;
};

/// `pointer`, unless it is null: then `what` says which it is.
template <class T>
T* need(T* pointer, const char* what) {
    if (pointer == nullptr) [[unlikely]] {
        throw BadArgument{what};
    }
    return pointer;
}

/// For the pointers of results that may be left out.
template <class T>
void give(T* to, T value) noexcept {
    if (to != nullptr) {
        *to = value;
    }
}

inline std::string_view text_of(const char* data, std::size_t size, const char* what) {
    return {size == 0 ? "" : need(data, what), size};
}

inline std::filesystem::path base_of(const char* path) {
    return path == nullptr ? default_base_path() : std::filesystem::path(path);
}

// No version of the header has such a struct: whoever says so did not set struct_size.
inline constexpr std::uint32_t least_struct_size = sizeof(std::uint32_t);
inline constexpr std::uint32_t most_struct_size = 64 * 1024;

inline std::uint32_t checked_struct_size(std::uint32_t size) {
    if (size < least_struct_size || size > most_struct_size) {
        throw BadArgument{"struct_size is not the size of the struct: set it, or use its _INIT"};
    }
    return size;
}

/// Options as this version knows them: what the caller's header did not have is zero, the default.
template <class T>
T options_of(const T* options) {
    T known{};
    if (options != nullptr) {
        const std::size_t given = checked_struct_size(options->struct_size);
        // Safe: the caller says that so many bytes are its own.
        const auto* const bytes = reinterpret_cast<const std::byte*>(options);
        const std::size_t taken = std::min(given, sizeof(T));
        std::memcpy(&known, bytes, taken);
        if (std::ranges::any_of(std::span(bytes, given).subspan(taken),
                                [](std::byte b) { return b != std::byte{}; })) {
            throw BadArgument{"an option is set that this version of the library does not know"};
        }
    }
    return known;
}

/// Writes as much of `known` as the caller's struct has room for, and zeros behind it.
template <class T>
void give_struct(T* to, T known) {
    const std::size_t given = checked_struct_size(to->struct_size);
    known.struct_size = to->struct_size;
    const std::size_t taken = std::min(given, sizeof(T));
    std::memcpy(static_cast<void*>(to), &known, taken);
    std::memset(reinterpret_cast<std::byte*>(to) + taken, 0, given - taken);
}

/// A member of an enum that the header declares, or BadArgument.
inline std::uint32_t enum_of(std::uint32_t value, std::uint32_t largest, const char* what) {
    if (value > largest) {
        throw BadArgument{what};
    }
    return value;
}

/// To be called in a catch block: the status of the exception; fills `error`, if there is one.
strata_status caught(const char* function, strata_error* error) noexcept;

/// Runs `action`; nothing that it throws gets out.
template <class Action>
strata_status guarded(const char* function, strata_error* error, Action&& action) noexcept {
    try {
        action();
        return STRATA_OK;
    } catch (...) {
        return caught(function, error);
    }
}

/// A copy that strata_free takes back, terminated.
void give_text(std::string_view text, char** to, std::size_t* size);

inline std::int64_t ns_since_1970(std::chrono::system_clock::time_point time) {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

inline std::chrono::system_clock::time_point time_since_1970(std::int64_t ns) {
    return std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(
            std::chrono::nanoseconds(ns)));
}

inline strata_string string_of(std::string_view text) noexcept {
    return {text.data(), text.size()};
}

inline strata_layer layer_of(const Layer& layer) noexcept {
    return {layer.data(), layer.size(), layer.mapping_slot()};
}

/// Borrowed from a snapshot that the caller promises to hold.
inline Layer layer_of(const strata_layer* layer) {
    need(layer, "layer is NULL");
    return Layer::from_parts(
        need(static_cast<const std::byte*>(layer->data), "layer->data is NULL: there is no layer"),
        layer->size, static_cast<std::uint16_t>(layer->token));
}

}  // namespace strata::bindings
