// SPDX-License-Identifier: Apache-2.0
// Who holds which snapshot, with what is known of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "console.hpp"
#include "json.hpp"

namespace strata::tools {

struct Reader {
    std::int64_t pid = 0;                   ///< in its own pid namespace
    std::optional<std::int64_t> process{};  ///< here, if it was found
    std::string command{};                  ///< of that process
    std::uint64_t epoch = 0;
    std::uint64_t behind = 0;  ///< epochs that have passed since
    bool old = false;          ///< certainly holds an older generation than the newest
    /// Since when its epoch is over; known of the oldest.
    std::optional<std::chrono::nanoseconds> age{};
    /// Memory that waits for it; known if no other reader is behind.
    std::optional<std::uint64_t> held_bytes{};
};

/// The readers, oldest pin first.
std::vector<Reader> readers_of(const Settings& settings, StoreInfo info,
                               const StoreStatistics& statistics);

/// The number of the process, or, if it was not found, that of its own pid namespace and `?`.
std::string pid_text(const Reader& reader);
/// The name of its program; `?` if it was not found.
std::string command_text(const Reader& reader);

Json to_json(const Reader& reader);

}  // namespace strata::tools
