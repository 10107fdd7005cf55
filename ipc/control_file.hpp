// SPDX-License-Identifier: Apache-2.0
// control.mmap, opened and found sound: identity, mutable cells, root and dimension records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ipc/index_view.hpp"
#include "ipc/layout.hpp"
#include "ipc/mapping.hpp"
#include "ipc/os.hpp"
#include "ipc/store_files.hpp"

namespace strata::ipc {

/// Checks an identity that was read from a file of `file_bytes`; throws not_a_store, byte_order,
/// format_version, corrupt.
void check_identity(const ControlIdentity& identity, std::uint64_t file_bytes,
                    std::string_view operation, std::string_view path);

/// The mapped control file. Const members may be called from any thread.
class ControlFile {
public:
    /// Opens and checks control.mmap in `store`. Throws not_a_store, byte_order, format_version,
    /// corrupt, truncated, permission_denied, not_trusted, system.
    ControlFile(const StoreDirectory& store, Access access, const Trust& trust,
                std::string_view operation);

    /// Not the description that is mapped: what is locked on it goes with its last descriptor.
    const FileDescriptor& file() const noexcept { return file_; }
    Mapping& mapping() noexcept { return mapping_; }
    const Mapping& mapping() const noexcept { return mapping_; }
    const ControlIdentity& identity() const noexcept { return identity_; }
    const std::string& path() const noexcept { return path_; }
    const os::FileStatus& status() const noexcept { return status_; }

    // Safe: the header page was checked to be inside the file.
    const ControlCells& cells() const noexcept {
        return *reinterpret_cast<const ControlCells*>(mapping_.base() + cells_offset);
    }
    const std::uint64_t& history_slot(std::uint64_t generation) const noexcept {
        return reinterpret_cast<const std::uint64_t*>(mapping_.base() +
                                                      history_offset)[generation % history_slots];
    }

    /// Bytes that may be read if a record says that `claimed` are committed: asks the file's size
    /// again when it is more than was known; nullopt if the file is shorter than claimed.
    std::optional<std::uint64_t> readable_bytes(std::uint64_t claimed) const;

    /// A checked copy of the root record at `offset`. Throws corrupt, truncated.
    RootRecord root_at(std::uint64_t offset, std::string_view operation) const;
    /// The directory of a root, as an index.
    IndexView directory_of(const RootRecord& root) const noexcept;
    /// A checked copy of a dimension's record; nullopt if the root has no such dimension. Throws
    /// corrupt.
    std::optional<DimensionRecord> dimension_at(const IndexView& directory, Dimension dimension,
                                                std::string_view operation) const;
    /// A checked copy of the record behind a directory entry. Throws corrupt.
    DimensionRecord record_at(const IndexView& directory, std::uint64_t entry,
                              std::string_view operation) const;

private:
    FileDescriptor file_;
    Mapping mapping_;
    ControlIdentity identity_{};
    os::FileStatus status_{};
    std::string path_;
    mutable std::uint64_t known_bytes_ = 0;  // relaxed atomic: only ever grows
};

}  // namespace strata::ipc
