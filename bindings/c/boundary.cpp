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

strata_error of(const Error& thrown) noexcept {
    strata_error error = plain(static_cast<strata_status>(thrown.code()), "", thrown.what());
    error.os_error = thrown.errno_value();
    error.needed = thrown.needed();
    error.limit = thrown.limit();
    error.current = thrown.current();
    copy_text(error.operation, thrown.operation());
    copy_text(error.path, thrown.path());
    copy_text(error.hint, thrown.hint());
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
