// SPDX-License-Identifier: Apache-2.0
// A fuzzer's input as a sequence of numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace strata::fuzz {

/// Takes numbers from a fuzzer's input; behind its end there are zeros.
class InputReader {
public:
    explicit InputReader(std::span<const std::uint8_t> bytes) noexcept : rest_(bytes) {}

    bool empty() const noexcept { return rest_.empty(); }
    template <class T>
    T take() noexcept {
        T value{};
        const std::size_t size = rest_.size() < sizeof(T) ? rest_.size() : sizeof(T);
        if (size != 0) std::memcpy(&value, rest_.data(), size);
        rest_ = rest_.subspan(size);
        return value;
    }

private:
    std::span<const std::uint8_t> rest_;
};

}  // namespace strata::fuzz
