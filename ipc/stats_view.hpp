// SPDX-License-Identifier: Apache-2.0
// From the shared statistics words to the public structs.
#pragma once

#include <string>

#include "ipc/files/store_files.hpp"
#include "ipc/format/layout.hpp"
#include "strata/statistics.hpp"

namespace strata::ipc {

/// Fills in what the words say; everything else is left alone.
void read_control_stats(const ControlStats& words, StoreStatistics& statistics);
MemoryStatistics read_memory_stats(const MemoryStats& words);
/// The memory table of a region, and the most that it may grow to. Nothing is filled in if the file
/// cannot be read (it was just removed, say): statistics do not fail for that.
void read_region_stats(const StoreDirectory& store, RegionStatistics& region);

/// Milliseconds of a CLOCK_REALTIME count as the public clock has them.
std::chrono::system_clock::time_point time_point(std::uint64_t realtime_ns);

}  // namespace strata::ipc
