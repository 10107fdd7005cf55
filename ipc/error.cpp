// SPDX-License-Identifier: Apache-2.0
#include "strata/error.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "ipc/failure.hpp"

namespace strata {

struct Error::State {
    Parts parts;
    std::string line;
};

namespace {

std::string make_line(const Error::Parts& parts) {
    std::string line = parts.operation;
    if (!parts.path.empty()) {
        line += ": " + parts.path;
    }
    if (!parts.detail.empty()) {
        line += ": " + parts.detail;
    }
    if (parts.errno_value != 0) {
        line += " (" + std::generic_category().message(parts.errno_value) + ")";
    }
    if (!parts.hint.empty()) {
        line += "; " + parts.hint;
    }
    return line;
}

}  // namespace

std::string_view to_string(Errc code) noexcept {
    switch (code) {
        case Errc::store_not_found: return "store_not_found";
        case Errc::store_exists: return "store_exists";
        case Errc::not_a_store: return "not_a_store";
        case Errc::format_version: return "format_version";
        case Errc::byte_order: return "byte_order";
        case Errc::permission_denied: return "permission_denied";
        case Errc::not_trusted: return "not_trusted";
        case Errc::corrupt: return "corrupt";
        case Errc::truncated: return "truncated";
        case Errc::invalid_name: return "invalid_name";
        case Errc::invalid_argument: return "invalid_argument";
        case Errc::producer_active: return "producer_active";
        case Errc::dimension_not_found: return "dimension_not_found";
        case Errc::layer_not_found: return "layer_not_found";
        case Errc::dimension_exists: return "dimension_exists";
        case Errc::layer_too_large: return "layer_too_large";
        case Errc::limit_exceeded: return "limit_exceeded";
        case Errc::no_space: return "no_space";
        case Errc::name_collision: return "name_collision";
        case Errc::type_mismatch: return "type_mismatch";
        case Errc::generation_not_retained: return "generation_not_retained";
        case Errc::wrong_process: return "wrong_process";
        case Errc::store_replaced: return "store_replaced";
        case Errc::system: return "system";
    }
    return "unknown";
}

Error::Error(Parts parts) {
    std::string line = make_line(parts);
    state_ = std::make_shared<const State>(State{std::move(parts), std::move(line)});
}

const char* Error::what() const noexcept { return state_->line.c_str(); }
Errc Error::code() const noexcept { return state_->parts.code; }
const std::string& Error::operation() const noexcept { return state_->parts.operation; }
const std::string& Error::path() const noexcept { return state_->parts.path; }
const std::string& Error::detail() const noexcept { return state_->parts.detail; }
const std::string& Error::hint() const noexcept { return state_->parts.hint; }
int Error::errno_value() const noexcept { return state_->parts.errno_value; }
std::uint64_t Error::needed() const noexcept { return state_->parts.needed; }
std::uint64_t Error::limit() const noexcept { return state_->parts.limit; }
std::uint64_t Error::current() const noexcept { return state_->parts.current; }

namespace ipc {

std::string quoted(std::string_view text) {
    std::string result = "\"";
    for (const char c : text.substr(0, 80)) {
        const auto byte = static_cast<unsigned char>(c);
        result += byte < 0x20 || byte == 0x7F ? '?' : c;
    }
    return result.append(text.size() > 80 ? "...\"" : "\"");
}

Errc errc_of(int errno_value) noexcept {
    switch (errno_value) {
        case ENOENT: return Errc::store_not_found;
        case EACCES:
        case EPERM:
        case EROFS: return Errc::permission_denied;
        case ENOSPC:
        case EDQUOT: return Errc::no_space;
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

}  // namespace ipc
}  // namespace strata
