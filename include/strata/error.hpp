// SPDX-License-Identifier: Apache-2.0
// The one exception type of strata. Set-up, commits and checked reads throw it; hot paths do not
// throw. Programming errors (using a moved-from object, breaking a documented precondition) abort.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>

namespace strata {

/// What went wrong. The numeric values are stable (they cross language borders).
enum class Errc : std::uint32_t {
    store_not_found = 1,    ///< nothing of that name under the base path
    store_exists = 2,       ///< `create` found a store of that name
    not_a_store = 3,        ///< the path is there, but it is no store (wrong magic, missing files)
    format_version = 4,     ///< written by an incompatible version of the library
    byte_order = 5,         ///< written on a machine of the other byte order
    permission_denied = 6,  ///< the kernel refused access (EACCES, EPERM)
    not_trusted = 7,        ///< owner or mode of the files is not acceptable
    corrupt = 8,            ///< bytes contradict the format (checksum, range, cycle)
    truncated = 9,          ///< a file is shorter than the store says
    invalid_name = 10,      ///< empty, too long, or contains '/', NUL, a leading '.'
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
};

/// The snake_case name of a code, e.g. "limit_exceeded". Never fails; unknown values give
/// "unknown".
std::string_view to_string(Errc code) noexcept;

/// Everything that is known about a failure. `what()` is one line for people:
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

    const char* what() const noexcept override;
    Errc code() const noexcept;
    const std::string& operation() const noexcept;
    const std::string& path() const noexcept;
    const std::string& detail() const noexcept;
    const std::string& hint() const noexcept;
    int errno_value() const noexcept;
    std::uint64_t needed() const noexcept;
    std::uint64_t limit() const noexcept;
    std::uint64_t current() const noexcept;

private:
    struct State;
    std::shared_ptr<const State> state_;
};

}  // namespace strata
