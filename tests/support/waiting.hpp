// SPDX-License-Identifier: Apache-2.0
// What tests of waiting have in common.
#pragma once

#include <chrono>
#include <poll.h>

#include "tests/support/temp_store.hpp"

namespace strata::test {

inline constexpr std::chrono::seconds long_enough{
    60};  // never waited out unless something is broken

inline ProducerOptions replacing(const TempStore& store) {
    ProducerOptions options = store.producer_options();
    options.replace = true;
    return options;
}

inline bool readable(int fd, std::chrono::milliseconds timeout) {
    pollfd entry{.fd = fd, .events = POLLIN, .revents = 0};
    return ::poll(&entry, 1, static_cast<int>(timeout.count())) == 1;
}

}  // namespace strata::test
