// SPDX-License-Identifier: Apache-2.0
#include "boundary.hpp"

#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <system_error>

#include <strata/version.hpp>

namespace strata::bindings {

namespace {

// Never throws: this runs where memory may be short.
template <std::size_t room>
void copy_text(char (&to)[room], std::string_view text) noexcept {
    std::size_t size = std::min(text.size(), room - 1);
    if (size < text.size()) {
        while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) {
            --size;  // not within a character of UTF-8
        }
    }
    std::memcpy(to, text.data(), size);
    to[size] = '\0';
}

strata_status report(strata_error* to, const strata_error& known) noexcept {
    // An error that cannot be filled must not hide the status.
    if (to != nullptr && to->struct_size >= least_struct_size &&
        to->struct_size <= most_struct_size) {
        give_struct(to, known);
        if (to->struct_size < sizeof(strata_error) &&
            to->struct_size > offsetof(strata_error, message)) {
            reinterpret_cast<char*>(to)[to->struct_size - 1] =
                '\0';  // a shorter header's last text
        }
    }
    return known.code;
}

strata_error plain(strata_status code, const char* function, std::string_view message) noexcept {
    strata_error error{};
    error.code = code;
    copy_text(error.message, message);
    copy_text(error.operation, function);
    return error;
}

strata_error bad_argument(const char* function, const char* what) noexcept {
    strata_error error = plain(STRATA_INVALID_ARGUMENT, function, function);
    // Both are constants of this library, and short.
    const std::size_t used = std::strlen(error.message);
    std::snprintf(error.message + used, sizeof error.message - used, ": %s", what);
    return error;
}

// Options and functions have the same names in all languages, but not what C++ writes around them:
// of `ProducerOptions::retain` remains `retain`, of `as<T>` remains `as`. Appends to what `to`
// holds up to `used`, as much as there is room for; returns how much it holds then.
template <std::size_t room>
std::size_t append_without_cpp(char (&to)[room], std::size_t used, std::string_view text) noexcept {
    const auto in_name = [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '_';
    };
    while (!text.empty() && used < room) {
        const auto name =
            static_cast<std::size_t>(std::ranges::find_if_not(text, in_name) - text.begin());
        if (name > 0 && text.substr(name).starts_with("::")) {
            text.remove_prefix(name + 2);
            continue;
        }
        const std::size_t taken = std::min(std::max<std::size_t>(name, 1), room - used);
        std::memcpy(to + used, text.data(), taken);
        used += taken;
        text.remove_prefix(taken);
        if (name > 0 && text.starts_with("<T>")) {
            text.remove_prefix(3);
        }
    }
    return used;
}

strata_error of(const Error& thrown) noexcept {
    strata_error error = plain(static_cast<strata_status>(thrown.code()), "", "");
    char line[2 * sizeof error.message];  // more than is kept, so that it is cut once
    std::string_view message = thrown.what();
    const bool with_hint = message.ends_with(thrown.hint());
    message.remove_suffix(with_hint ? thrown.hint().size() : 0);
    std::size_t size = std::min(message.size(), sizeof line);
    std::memcpy(line, message.data(), size);
    size = append_without_cpp(line, size, with_hint ? thrown.hint() : std::string_view());
    copy_text(error.message, {line, size});
    error.os_error = thrown.errno_value();
    error.needed = thrown.needed();
    error.limit = thrown.limit();
    error.current = thrown.current();
    copy_text(error.operation, thrown.operation());
    copy_text(error.path, thrown.path());
    copy_text(error.hint, {line, append_without_cpp(line, 0, thrown.hint())});
    return error;
}

}  // namespace

strata_status caught(const char* function, strata_error* error) noexcept {
    try {
        throw;
    } catch (const BadArgument& thrown) {
        return report(error, bad_argument(function, thrown.what));
    } catch (const Error& thrown) {
        return report(error, of(thrown));
    } catch (const std::bad_alloc&) {
        return report(error, plain(STRATA_OUT_OF_MEMORY, function, "the process is out of memory"));
    } catch (const std::length_error&) {  // a container beyond what any memory could hold
        return report(error,
                      plain(STRATA_OUT_OF_MEMORY, function, "more than any memory can hold"));
    } catch (const std::system_error& thrown) {
        strata_error known = plain(STRATA_SYSTEM, function, thrown.what());
        known.os_error = thrown.code().value();
        return report(error, known);
    } catch (const std::exception& thrown) {
        return report(error, plain(STRATA_INTERNAL, function, thrown.what()));
    } catch (...) {
        return report(error, plain(STRATA_INTERNAL, function, "an exception of unknown type"));
    }
}

void give_text(std::string_view text, char** to, std::size_t* size) {
    auto* const copy = static_cast<char*>(std::malloc(text.size() + 1));
    if (copy == nullptr) {
        throw std::bad_alloc();
    }
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    *to = copy;
    give(size, text.size());
}

}  // namespace strata::bindings

// ---- What belongs to no handle ------------------------------------------------------------------

static_assert(static_cast<int>(strata::Errc::store_not_found) == STRATA_STORE_NOT_FOUND &&
              static_cast<int>(strata::Errc::corrupt) == STRATA_CORRUPT &&
              static_cast<int>(strata::Errc::limit_exceeded) == STRATA_LIMIT_EXCEEDED &&
              static_cast<int>(strata::Errc::system) == STRATA_SYSTEM &&
              static_cast<int>(strata::Errc::not_recovered) == STRATA_NOT_RECOVERED &&
              static_cast<int>(strata::Errc::bookmark_not_found) == STRATA_BOOKMARK_NOT_FOUND);

const char* strata_version(void) { return strata::version_string; }

uint32_t strata_abi_version(void) { return STRATA_SOVERSION; }

const char* strata_status_name(strata_status status) {
    switch (status) {
        case STRATA_OK: return "ok";
        case STRATA_OUT_OF_MEMORY: return "out_of_memory";
        case STRATA_INTERNAL: return "internal";
        default:
            // The names are literals: they end in a zero and stay.
            return strata::to_string(static_cast<strata::Errc>(status)).data();
    }
}

void strata_free(void* text) { std::free(text); }
