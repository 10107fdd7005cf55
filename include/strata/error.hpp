// SPDX-License-Identifier: Apache-2.0
// The one exception type of strata. Set-up, commits and checked reads throw it; hot paths do not
// throw. Programming errors (using a moved-from object, breaking a documented precondition) abort.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include "strata/detail/lifetime.hpp"
#include "strata/version.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

/// What went wrong. The numeric values are stable (they cross language borders).
enum class Errc : std::uint32_t {
    store_not_found = 1,    ///< nothing of that name under the base path
    store_exists = 2,       ///< `create` found a store of that name
    not_a_store = 3,        ///< the path is there, but it is no store (wrong magic, missing files)
    format_version = 4,     ///< written by an incompatible version of the library
    byte_order = 5,         ///< written on a machine of the other byte order
    permission_denied = 6,  ///< the kernel refused access (EACCES, EPERM, EROFS)
    not_trusted = 7,        ///< owner or mode of the files is not acceptable
    corrupt = 8,            ///< bytes contradict the format (checksum, range, cycle)
    truncated = 9,          ///< a file is shorter than the store says
    invalid_name = 10,      ///< of a store: empty, too long, or contains '/', NUL, a leading '.';
                            ///< of a bookmark: empty, too long, or contains NUL
    invalid_argument = 11,  ///< a number or combination that can never work
    producer_active = 12,   ///< another process (or object) is this store's producer
    dimension_not_found = 13,
    layer_not_found = 14,
    dimension_exists = 15,
    layer_too_large = 16,  ///< a layer that can never fit its region
    limit_exceeded = 17,   ///< the store's memory limit; needed() and limit() say how far
    no_space = 18,         ///< the file system is full (ENOSPC, EDQUOT)
    name_collision = 19,   ///< two different layer names share one number
    type_mismatch = 20,    ///< a layer holds another type than was asked for
    generation_not_retained = 21,
    wrong_process = 22,   ///< a Producer used in a forked child
    store_replaced = 23,  ///< the store was removed or replaced under its producer
    system = 24,          ///< any other failure of a system call; errno_value() says which
    file_not_found = 25,  ///< a directory has no file of that name (or there is no directory)
    file_exists = 26,
    end_of_file = 27,      ///< a read, seek or slice beyond the end
    would_deadlock = 28,   ///< a thread would wait for what only itself can do
    durability_lost = 29,  ///< a flush failed: what was published since may not survive the machine
    not_recovered = 30,    ///< the machine stopped; a producer has to open the store first
    bookmark_not_found = 31,
};

/// The snake_case name of a code, e.g. "limit_exceeded". Never fails; unknown values give
/// "unknown".
[[nodiscard]] std::string_view to_string(Errc code) noexcept;

/// The category of std::error_code for Errc, called "strata". Its codes compare with std::errc
/// where that has the same notion: no_such_file_or_directory (store_not_found, file_not_found),
/// file_exists (store_exists, file_exists), permission_denied (and not_trusted),
/// device_or_resource_busy (producer_active), invalid_argument (and invalid_name), file_too_large
/// (layer_too_large), not_enough_memory (limit_exceeded), no_space_on_device (no_space),
/// not_supported (format_version, byte_order), operation_not_permitted (wrong_process),
/// resource_deadlock_would_occur (would_deadlock), io_error (durability_lost).
[[nodiscard]] const std::error_category& error_category() noexcept;
/// Found by argument-dependent look-up: `std::error_code code = Errc::corrupt;`.
[[nodiscard]] inline std::error_code make_error_code(Errc code) noexcept {
    return {static_cast<int>(code), error_category()};
}

class Error;
namespace detail {
/// In a handler: the Error that stands for what was thrown. An exception that is none of the
/// standard library's ends the program.
Error caught_error(std::string_view operation) noexcept;
}  // namespace detail

/// Everything that is known about a failure. `what()` is one line for people, printable()
/// throughout:
/// `<operation> "<store>": <path>: <what happened, with numbers>; <hint>`.
/// Copying does not throw and does not allocate.
class Error : public std::exception {
public:
    /// The parts of an error; all but `code` and `operation` may be left empty.
    struct Parts {
        Errc code = Errc::system;
        std::string operation{};    ///< e.g. `attach "market"`
        std::string path{};         ///< file or directory concerned
        std::string detail{};       ///< what happened, with the numbers
        std::string hint{};         ///< what to try
        int errno_value = 0;        ///< 0 if no system call failed
        std::uint64_t needed = 0;   ///< bytes asked for, where that is meaningful
        std::uint64_t limit = 0;    ///< the limit that was hit, in bytes
        std::uint64_t current = 0;  ///< bytes in use when it was hit
    };

    explicit Error(Parts parts);

    [[nodiscard]] const char* what() const noexcept override;
    [[nodiscard]] Errc code() const noexcept;
    [[nodiscard]] const std::string& operation() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] const std::string& path() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] const std::string& detail() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] const std::string& hint() const noexcept STRATA_LIFETIME_BOUND;
    [[nodiscard]] int errno_value() const noexcept;
    /// For code that handles std::error_code: of `system` the errno in std::system_category, else
    /// code() in strata's category. Either compares with std::errc.
    [[nodiscard]] std::error_code error_code() const noexcept;
    [[nodiscard]] std::uint64_t needed() const noexcept;
    [[nodiscard]] std::uint64_t limit() const noexcept;
    [[nodiscard]] std::uint64_t current() const noexcept;

private:
    struct State;
    struct OutOfMemory;
    friend Error detail::caught_error(std::string_view operation) noexcept;
    explicit Error(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
    std::shared_ptr<const State> state_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE

template <>
struct std::is_error_code_enum<strata::Errc> : std::true_type {};
