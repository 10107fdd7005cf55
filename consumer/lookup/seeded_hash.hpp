// SPDX-License-Identifier: Apache-2.0
// Hashing with a seed that the process keeps to itself: an outsider who chooses the numbers of
// dimensions or layers, or names, cannot choose where they collide.
#pragma once

#include <cstdint>

namespace strata::consumer_impl {

/// 64 bits of a number, the upper ones well mixed: two multiplications by secret odd factors with a
/// fold and a shift between them. (With one multiplication, or without the shift, one process in a
/// hundred had factors that keep some arithmetic progression together: 40 probes a look-up.)
class SeededHash {
public:
    /// That of this process; its seed is drawn at the first call.
    static SeededHash of_process() noexcept;

    /// That of a given seed, the same in every process: for tests.
    static SeededHash of_seed(std::uint64_t seed) noexcept;

    std::uint64_t operator()(std::uint64_t number) const noexcept {
        __extension__ using Wide = unsigned __int128;
        const Wide product = static_cast<Wide>(number) * first_factor_;
        const auto folded =
            static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
        return (folded ^ folded >> 32) * second_factor_;
    }

private:
    SeededHash(std::uint64_t first, std::uint64_t second) noexcept
        : first_factor_(first | 1), second_factor_(second | 1) {}

    std::uint64_t first_factor_;
    std::uint64_t second_factor_;
};

}  // namespace strata::consumer_impl
