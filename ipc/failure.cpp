// SPDX-License-Identifier: Apache-2.0
#include "ipc/failure.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "ipc/os/descriptor.hpp"
#include "strata/printable.hpp"

namespace strata::ipc {

std::string quoted(std::string_view text) {
    constexpr std::size_t most = 80;
    std::size_t end = text.size();
    if (end > most) {  // at the beginning of a character: of those around it, if there is any
        constexpr std::size_t longest = 4;
        for (end = most; end > most - longest && (text[end] & 0xC0) == 0x80; --end) {
        }
    }
    std::string result = "\"" + printable(text.substr(0, end));
    return result.append(end < text.size() ? "...\"" : "\"");
}

Errc errc_of(int errno_value) noexcept {
    if (os::is_full(errno_value)) {
        return Errc::no_space;
    }
    switch (errno_value) {
        case ENOENT: return Errc::store_not_found;
        case EACCES:
        case EPERM:
        case EROFS: return Errc::permission_denied;
        case ELOOP:
        case ENOTDIR: return Errc::not_trusted;
        default: return Errc::system;
    }
}

void fail(Errc code, std::string_view operation, std::string_view path, std::string detail,
          std::string hint) {
    throw Error({.code = code,
                 .operation = std::string(operation),
                 .path = std::string(path),
                 .detail = std::move(detail),
                 .hint = std::move(hint)});
}

void fail_errno(int errno_value, std::string_view operation, std::string_view path,
                std::string detail, std::string hint) {
    throw Error({.code = errc_of(errno_value),
                 .operation = std::string(operation),
                 .path = std::string(path),
                 .detail = std::move(detail),
                 .hint = std::move(hint),
                 .errno_value = errno_value});
}

void bug(const char* what) noexcept {
    std::fprintf(stderr, "strata: internal error: %s\n", what);
    std::abort();
}

void bug_moved_from(const char* class_name) noexcept {
    std::fprintf(stderr, "strata: %s: used after it was moved from\n", class_name);
    std::abort();
}

}  // namespace strata::ipc
