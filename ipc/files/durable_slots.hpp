// SPDX-License-Identifier: Apache-2.0
// The file durable.slots: what a store opens at after a power failure. Two slots, written in turn
// and flushed one by one, so that one of them is whole at any time.
#pragma once

#include <optional>
#include <string_view>

#include "ipc/files/store_files.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/os.hpp"
#include "ipc/os/sync.hpp"

namespace strata::ipc {

/// The newest of the slots in an open file that is sound and, if `store_id` is given, of that
/// store; nullopt: none is. An error says that nothing is known.
os::Result<std::optional<DurableSlot>> read_newest_slot(const FileDescriptor& file,
                                                        const std::uint64_t* store_id);

/// Whether what the page cache holds of the store's files is what its last producer left: no power
/// failure lies between the slot and now.
bool is_same_run(const DurableSlot& slot, const os::Standpoint& here) noexcept;

/// For a consumer that has the control file: throws not_recovered if the machine stopped since the
/// store's last producer and what was published last may not be whole. No system call in a store
/// that has no slots.
void check_recovered(const StoreDirectory& store, const ControlIdentity& identity,
                     const ControlCells& cells, std::string_view operation);

/// The file, opened for writing by the store's producer. Not thread-safe.
class DurableSlots {
public:
    /// `open`; and if the identity in the control file is torn, puts the one of the slot there.
    static DurableSlots open_and_repair(const StoreDirectory& store, std::string_view operation);
    /// Empty if there is no such file. What it holds is durable then: a slot that was written and
    /// not yet flushed when its writer died has been flushed. Throws permission_denied,
    /// not_trusted, system, durability_lost (the flush failed).
    static DurableSlots open(const StoreDirectory& store, std::string_view operation);
    /// Makes it, without any slot, for those who may open `like`. Not durable before its directory
    /// is flushed.
    void create(const StoreDirectory& store, const os::FileStatus& like,
                std::string_view operation);

    explicit operator bool() const noexcept { return static_cast<bool>(file_); }
    /// The newest.
    const std::optional<DurableSlot>& newest() const noexcept { return newest_; }
    /// What counts if the newest one turns out not to be on the disk.
    const std::optional<DurableSlot>& older() const noexcept { return older_; }
    /// Gives `slot` its place in the sequence, its checksum and so on, writes it in the place of
    /// the older one and flushes it. 0 or an errno; then nobody knows whether it is there.
    int write(DurableSlot slot) noexcept;

private:
    FileDescriptor file_;
    std::optional<DurableSlot> newest_;
    std::optional<DurableSlot> older_;
};

}  // namespace strata::ipc
