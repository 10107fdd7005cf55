// SPDX-License-Identifier: Apache-2.0
// A region file, opened, checked and mapped for reading.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ipc/files/control_file.hpp"
#include "ipc/files/store_files.hpp"
#include "ipc/index/view.hpp"
#include "ipc/mapping/growing_mapping.hpp"
#include "ipc/mapping/mapping.hpp"
#include "ipc/os.hpp"

namespace strata::ipc {

/// Least memory of a region file, and of what it may grow to.
inline constexpr std::uint64_t min_region_bytes = 64 << 10;

/// `owner`: the only dimension that may lie in it; none: it is shared.
RegionHeader make_region_header(const ControlIdentity& store, std::optional<Dimension> owner,
                                std::uint64_t serial, std::uint64_t max_bytes);

struct OpenedRegion {
    FileDescriptor file;
    os::FileStatus status;
    std::uint64_t max_bytes = 0;
    std::optional<Dimension> owner{};  ///< none: shared
};

/// Throws corrupt if a record names a region that belongs to another dimension.
void check_owner(std::optional<Dimension> owner, const DimensionRecord& record,
                 std::string_view operation, std::string_view path);

/// Opens a region file of `store` and checks its header against what the control file says.
/// Throws not_trusted, corrupt, truncated, permission_denied, system.
OpenedRegion open_region(const StoreDirectory& store, const ControlIdentity& identity,
                         std::uint64_t serial, Access access, const Trust& trust,
                         std::string_view operation);

/// A consumer's mapping of one region file, made when a dimension in it is first looked into. It
/// keeps no descriptor: thousands of files are not thousands of descriptors. Not thread-safe.
class RegionMapping {
public:
    /// `store` and `identity` outlive it. Throws as open_region does, and Error{system}.
    RegionMapping(const StoreDirectory& store, const ControlIdentity& identity,
                  const DimensionRecord& record, const Trust& trust, std::string_view operation);

    std::uint64_t serial() const noexcept { return serial_; }
    /// The index that a record describes; valid as long as this object. Remaps the file if it has
    /// grown beyond what is mapped. Throws corrupt, truncated, system.
    IndexView index_of(const DimensionRecord& record, std::string_view operation);

private:
    OpenedRegion open(std::string_view operation) const;
    void extend(const DimensionRecord& record, std::string_view operation);

    const StoreDirectory& store_;
    const ControlIdentity& identity_;
    const Trust trust_;
    const std::uint64_t serial_;
    const std::string name_;
    const std::string path_;
    std::optional<Dimension> owner_;
    GrowingMapping mapping_{0};
};

}  // namespace strata::ipc
