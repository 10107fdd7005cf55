// SPDX-License-Identifier: Apache-2.0
// The fuzz targets. Each is a program of its own for libFuzzer (fuzz_main.cpp), and all together
// are one that replays the corpus as a test (replay.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>

namespace strata::fuzz {

using RunInput = std::function<void(std::span<const std::uint8_t>)>;

struct Target {
    std::string_view name;
    std::string_view what;
    RunInput (*make)();
};

std::span<const Target> targets() noexcept;
/// Null if there is none of that name.
const Target* find_target(std::string_view name) noexcept;

}  // namespace strata::fuzz
