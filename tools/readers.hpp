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
    std::int64_t pid = 0;
    std::string command{};
    std::uint64_t epoch = 0;
    std::uint64_t behind = 0;  ///< epochs that have passed since
    bool old = false;          ///< certainly holds an older generation than the newest
    /// Since when its epoch is over; known of the oldest.
    std::optional<std::chrono::nanoseconds> age{};
    /// Memory that waits for it; known if no other reader is behind.
    std::optional<std::uint64_t> held_bytes{};
};

/// statistics(), without the snapshot that it takes itself among the readers.
StoreStatistics read_statistics(const Settings& settings, const std::string& store);

/// The readers, oldest pin first.
std::vector<Reader> readers_of(const StoreInfo& info, const StoreStatistics& statistics);

Json to_json(const Reader& reader);

}  // namespace strata::tools
