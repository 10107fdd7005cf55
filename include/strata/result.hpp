// SPDX-License-Identifier: Apache-2.0
// Result: a value, or the Error that there is instead. What the functions that take std::nothrow
// return; its members have the names and the meaning of std::expected's.
#pragma once

#include <type_traits>
#include <utility>
#include <variant>

#include "strata/detail/lifetime.hpp"
#include "strata/error.hpp"

namespace strata::inline STRATA_ABI_NAMESPACE {

namespace detail {
[[noreturn]] void throw_error(const Error& error);
}  // namespace detail

/// Made, moved and asked without throwing and without allocating. The Error is the very one that
/// the function without std::nothrow throws; where that would be std::bad_alloc or another standard
/// exception, an Error stands for it: `system` with ENOMEM, or with its errno.
template <class T>
class [[nodiscard]] Result {
    static_assert(std::is_nothrow_move_constructible_v<T>, "a result is moved without throwing");

public:
    using value_type = T;
    using error_type = Error;

    Result(T value) noexcept : held_(std::move(value)) {}      // NOLINT(google-explicit-*)
    Result(Error error) noexcept : held_(std::move(error)) {}  // NOLINT(google-explicit-*)

    [[nodiscard]] bool has_value() const noexcept { return held_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    /// The value; throws the Error if there is none.
    [[nodiscard]] T& value() & STRATA_LIFETIME_BOUND {
        require();
        return **this;
    }
    [[nodiscard]] const T& value() const& STRATA_LIFETIME_BOUND {
        require();
        return **this;
    }
    [[nodiscard]] T&& value() && STRATA_LIFETIME_BOUND {
        require();
        return *std::move(*this);
    }
    /// Precondition of these: has_value().
    [[nodiscard]] T& operator*() & noexcept STRATA_LIFETIME_BOUND {
        return *std::get_if<0>(&held_);
    }
    [[nodiscard]] const T& operator*() const& noexcept STRATA_LIFETIME_BOUND {
        return *std::get_if<0>(&held_);
    }
    [[nodiscard]] T&& operator*() && noexcept STRATA_LIFETIME_BOUND {
        return std::move(*std::get_if<0>(&held_));
    }
    [[nodiscard]] T* operator->() noexcept STRATA_LIFETIME_BOUND { return std::get_if<0>(&held_); }
    [[nodiscard]] const T* operator->() const noexcept STRATA_LIFETIME_BOUND {
        return std::get_if<0>(&held_);
    }
    /// The value, or this one.
    [[nodiscard]] T value_or(T other) && noexcept {
        return has_value() ? *std::move(*this) : std::move(other);
    }

    /// What went wrong. Precondition: !has_value().
    [[nodiscard]] const Error& error() const noexcept STRATA_LIFETIME_BOUND {
        return *std::get_if<1>(&held_);
    }

private:
    void require() const {
        if (!has_value()) [[unlikely]] {
            detail::throw_error(error());
        }
    }

    std::variant<T, Error> held_;
};

}  // namespace strata::inline STRATA_ABI_NAMESPACE
