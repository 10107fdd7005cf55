// SPDX-License-Identifier: Apache-2.0
// Throwing strata::Error from the inside, in one line each.
#pragma once

#include <string>
#include <string_view>

#include "strata/error.hpp"

namespace strata::ipc {

/// `text`, printable and cut to 80 bytes, in double quotes: for names in messages.
std::string quoted(std::string_view text);

/// The code that fits an errno of a call on a store's files.
Errc errc_of(int errno_value) noexcept;

// Cold: the code that prepares a message stays away from what runs when all is well.
[[noreturn, gnu::cold]] void fail(Errc code, std::string_view operation, std::string_view path,
                                  std::string detail, std::string hint = {});

/// A system call failed: `detail` says which and on what; the errno's text is added.
[[noreturn, gnu::cold]] void fail_errno(int errno_value, std::string_view operation,
                                        std::string_view path, std::string detail,
                                        std::string hint = {});

/// A broken invariant of our own: prints and aborts. Never used for bytes that others wrote.
[[noreturn, gnu::cold]] void bug(const char* what) noexcept;

[[noreturn, gnu::cold]] void bug_moved_from(const char* class_name) noexcept;
/// What a public object is made of; aborts if the object was moved from.
template <class Pointer>
inline auto& part_of(const Pointer& pointer, const char* class_name) noexcept {
    if (!pointer) [[unlikely]] {
        bug_moved_from(class_name);
    }
    return *pointer;
}

}  // namespace strata::ipc
