// SPDX-License-Identifier: Apache-2.0
// What the driver tells a victim on its command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/torture/ledger.hpp"

namespace strata::test {

/// Whether the build has the library's part that makes backups.
#if defined(STRATA_TORTURE_BACKUPS)
inline constexpr bool with_backups = true;
#else
inline constexpr bool with_backups = false;
#endif

struct Orders {
    std::string role{};  ///< produce, consume, back up or settle
    std::string base{};  ///< directory of the stores
    int ledger = -1;     ///< descriptor
    Place place = Place::steady;
    std::uint64_t seed = 0;  ///< of everything that the victim decides itself
    std::uint64_t steps = 0;
    std::string point{};  ///< crash point to die at; empty: none
    std::uint64_t hit = 0;
};

std::vector<std::string> words_of(const Orders& orders);
/// Throws Failure if they are not what words_of wrote.
Orders orders_of(const std::vector<std::string>& words);

}  // namespace strata::test
