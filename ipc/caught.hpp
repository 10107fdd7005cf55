// SPDX-License-Identifier: Apache-2.0
// Turns exceptions into Results: the overloads that take std::nothrow are built on those that
// throw.
#pragma once

#include <string_view>
#include <utility>

#include "strata/result.hpp"

namespace strata::ipc {

/// What `make` returns, or why it did not.
template <class Make>
auto caught(std::string_view operation, Make&& make) noexcept -> Result<decltype(make())> {
    try {
        return std::forward<Make>(make)();
    } catch (...) {
        return detail::caught_error(operation);
    }
}

}  // namespace strata::ipc
