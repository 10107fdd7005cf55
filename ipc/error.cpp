// SPDX-License-Identifier: Apache-2.0
#include "strata/error.hpp"

#include <cerrno>
#include <new>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "ipc/caught.hpp"
#include "ipc/failure.hpp"
#include "strata/printable.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

struct Error::State {
    Parts parts;
    std::string line;
};

namespace {

// Codes of strata as std::error_code has them.
class Category final : public std::error_category {
public:
    const char* name() const noexcept override { return "strata"; }
    std::string message(int value) const override {
        return std::string(to_string(static_cast<Errc>(value)));
    }
    std::error_condition default_error_condition(int value) const noexcept override {
        switch (static_cast<Errc>(value)) {
            case Errc::store_not_found:
            case Errc::file_not_found: return std::errc::no_such_file_or_directory;
            case Errc::store_exists:
            case Errc::file_exists: return std::errc::file_exists;
            case Errc::permission_denied:
            case Errc::not_trusted: return std::errc::permission_denied;
            case Errc::producer_active: return std::errc::device_or_resource_busy;
            case Errc::invalid_argument:
            case Errc::invalid_name: return std::errc::invalid_argument;
            case Errc::layer_too_large: return std::errc::file_too_large;
            case Errc::limit_exceeded: return std::errc::not_enough_memory;
            case Errc::no_space: return std::errc::no_space_on_device;
            case Errc::format_version:
            case Errc::byte_order: return std::errc::not_supported;
            case Errc::wrong_process: return std::errc::operation_not_permitted;
            case Errc::would_deadlock: return std::errc::resource_deadlock_would_occur;
            case Errc::durability_lost: return std::errc::io_error;
            default: return {value, *this};  // no std::errc means the same
        }
    }
};

constinit const Category category;

std::string make_line(const Error::Parts& parts) {
    // Paths, and the parts that a caller made, hold names that others chose.
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
    return printable(line);
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
        case Errc::file_not_found: return "file_not_found";
        case Errc::file_exists: return "file_exists";
        case Errc::end_of_file: return "end_of_file";
        case Errc::would_deadlock: return "would_deadlock";
        case Errc::durability_lost: return "durability_lost";
        case Errc::not_recovered: return "not_recovered";
        case Errc::bookmark_not_found: return "bookmark_not_found";
    }
    return "unknown";
}

Error::Error(Parts parts) {
    std::string line = make_line(parts);
    state_ = std::make_shared<const State>(State{std::move(parts), std::move(line)});
}

// The error of results that stands for std::bad_alloc: made while there is memory, and never
// destroyed.
struct Error::OutOfMemory {
    static std::shared_ptr<const State> make() {
        Parts parts{.code = Errc::system,
                    .operation = "allocate",
                    .detail = "the process is out of memory",
                    .errno_value = ENOMEM};
        std::string line = make_line(parts);
        return std::make_shared<const State>(State{std::move(parts), std::move(line)});
    }
    static Error error() noexcept { return Error(state); }
    static const std::shared_ptr<const State>& state;
};

const std::shared_ptr<const Error::State>& Error::OutOfMemory::state =
    *new std::shared_ptr<const Error::State>(make());

const std::error_category& error_category() noexcept { return category; }

std::error_code Error::error_code() const noexcept {
    return code() == Errc::system && errno_value() != 0
               ? std::error_code(errno_value(), std::system_category())
               : make_error_code(code());
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

void detail::throw_error(const Error& error) { throw Error(error); }

Error detail::caught_error(std::string_view operation) noexcept {
    try {  // the handlers make texts, for which there may be no memory
        try {
            throw;
        } catch (const Error& thrown) {
            return thrown;
        } catch (const std::bad_alloc&) {
            throw;
        } catch (const std::length_error&) {  // a container beyond what any memory could hold
            throw std::bad_alloc();
        } catch (const std::system_error& thrown) {  // a thread that could not be started, a path
            return Error({.code = Errc::system,
                          .operation = std::string(operation),
                          .detail = "the C++ library failed",
                          .errno_value = thrown.code().value()});
        } catch (const std::exception& thrown) {
            return Error({.code = Errc::system,
                          .operation = std::string(operation),
                          .detail = thrown.what()});
        }
    } catch (const std::bad_alloc&) {
        return Error::OutOfMemory::error();
    }
}

}  // namespace strata::inline STRATA_ABI_NAMESPACE
