// SPDX-License-Identifier: Apache-2.0
// control.mmap, opened and found sound: identity, mutable cells, root and dimension records.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ipc/files/store_files.hpp"
#include "ipc/format/layout.hpp"
#include "ipc/index/view.hpp"
#include "ipc/mapping/growing_mapping.hpp"
#include "ipc/os.hpp"

namespace strata::ipc {

/// Checks an identity that was read from a file of `file_bytes`; throws not_a_store, byte_order,
/// format_version, corrupt.
void check_identity(const ControlIdentity& identity, std::uint64_t file_bytes,
                    std::string_view operation, std::string_view path);

/// The control file, mapped for reading. Const members may be called from any thread, except
/// `root_at`: one at a time, and `directory_of` not meanwhile.
class ControlFile {
public:
    /// Opens and checks control.mmap in `store`. Throws not_a_store, byte_order, format_version,
    /// corrupt, truncated, permission_denied, not_trusted, system.
    ControlFile(const StoreDirectory& store, const Trust& trust, std::string_view operation);

    /// Not the description that is mapped: what is locked on it goes with its last descriptor.
    const FileDescriptor& file() const noexcept { return file_; }
    /// A fresh description of the same file, read-only, for locks that shall be apart from those on
    /// `file()`. Empty if none can be opened (EMFILE; neither the name nor /proc leads to it).
    FileDescriptor another_description(const StoreDirectory& store) const;
    /// The header pages; they stay where they are.
    const std::byte* header() const noexcept { return header_; }
    const ControlIdentity& identity() const noexcept { return identity_; }
    const std::string& path() const noexcept { return path_; }
    const os::FileStatus& status() const noexcept { return status_; }

    // Safe: the header page was checked to be inside the file.
    const ControlCells& cells() const noexcept {
        return *reinterpret_cast<const ControlCells*>(header_ + cells_offset);
    }
    const std::uint64_t& history_slot(std::uint64_t generation) const noexcept {
        return reinterpret_cast<const std::uint64_t*>(header_ +
                                                      history_offset)[generation % history_slots];
    }

    /// A checked copy of the root record at `offset`, of which all is mapped then. Throws corrupt,
    /// truncated, system.
    RootRecord root_at(std::uint64_t offset, std::string_view operation) const;
    /// The directory of a root that `root_at` gave, as an index; valid as long as this object.
    IndexView directory_of(const RootRecord& root) const noexcept;
    /// A checked copy of a dimension's record; nullopt if the root has no such dimension. Throws
    /// corrupt.
    std::optional<DimensionRecord> dimension_at(const IndexView& directory, Dimension dimension,
                                                std::string_view operation) const;
    /// A checked copy of the record behind a directory entry. Throws corrupt.
    DimensionRecord record_at(const IndexView& directory, std::uint64_t entry,
                              std::string_view operation) const;

private:
    // Whether [0, bytes) can be read, mapping it if need be; false if the file is shorter.
    bool reach(std::uint64_t bytes, std::string_view operation) const;

    FileDescriptor file_;
    mutable GrowingMapping mapping_{0};
    const std::byte* header_ = nullptr;
    ControlIdentity identity_{};
    os::FileStatus status_{};
    std::string path_;
};

}  // namespace strata::ipc
