// SPDX-License-Identifier: Apache-2.0
#include "tests/torture/at_point.hpp"

#include <thread>

namespace strata::test {

std::function<void(std::string_view)> visitor;

namespace {
const std::thread::id main_thread = std::this_thread::get_id();
}  // namespace

}  // namespace strata::test

namespace strata::ipc {

void crash_point(const char* name) noexcept {
    if (std::this_thread::get_id() == test::main_thread && test::visitor) {
        const auto copy = test::visitor;  // it may replace itself
        copy(name);
    }
}

}  // namespace strata::ipc
