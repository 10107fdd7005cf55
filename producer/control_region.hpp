// SPDX-License-Identifier: Apache-2.0
// The control file of a store, as its producer has it: found sound, mapped writable, its words and
// tables by name. Blocks of it (records, nodes of the directory) come from its region.
#pragma once

#include <string>

#include "ipc/files/control_file.hpp"
#include "ipc/format/layout.hpp"
#include "producer/memory/memory_budget.hpp"
#include "producer/memory/region.hpp"

namespace strata::producer_impl {

class ControlRegion {
public:
    /// Counts the file's memory in `budget`. Nothing of it is free until the region's rebuild is
    /// finished. Throws what ipc::ControlFile throws, and system.
    ControlRegion(const ipc::StoreDirectory& directory, MemoryBudget& budget,
                  const std::string& operation);

    const ipc::ControlFile& file() const noexcept { return file_; }
    const ipc::ControlIdentity& identity() const noexcept { return file_.identity(); }
    const std::string& path() const noexcept { return file_.path(); }
    Region& region() noexcept { return region_; }
    const Region& region() const noexcept { return region_; }
    /// The description to ask for locks with: it holds none itself.
    const ipc::FileDescriptor& lock_description() const noexcept { return region_.file(); }

    // Safe: the header pages were found to be inside the file.
    ipc::ControlCells& cells() const noexcept {
        return *region_.at<ipc::ControlCells>(ipc::cells_offset);
    }
    std::uint64_t& history_slot(std::uint64_t generation) const noexcept {
        return region_.at<std::uint64_t>(ipc::history_offset)[generation % ipc::history_slots];
    }
    ipc::ClosingRoot* closing_roots() const noexcept {
        return region_.at<ipc::ClosingRoot>(ipc::closing_roots_offset);
    }
    ipc::ControlStats& statistics() const noexcept {
        return *region_.at<ipc::ControlStats>(ipc::control_stats_offset);
    }

    /// Wakes consumers that wait for a generation.
    void wake_waiters() const noexcept;
    /// Asks consumers that keep a pin only for their next snapshot to release it.
    void nudge_idle_readers() const noexcept;

private:
    ipc::ControlFile file_;
    Region region_;
};

}  // namespace strata::producer_impl
