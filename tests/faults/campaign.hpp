// SPDX-License-Identifier: Apache-2.0
// Which refusals are tried, in which order and by how many processes at once, and the table of what
// was found.
#pragma once

#include <cstdint>
#include <string>

namespace strata::test {

struct Campaign {
    std::uint64_t runs = 600;  ///< about so many of all; 0: all
    std::uint64_t seed = 1;    ///< which of them
    unsigned jobs = 1;
    std::string scenario{};  ///< empty: all
};

/// Records what the scenarios call, tries the refusals and prints the table. True if nothing is
/// wrong.
bool conduct(const Campaign& campaign);

}  // namespace strata::test
