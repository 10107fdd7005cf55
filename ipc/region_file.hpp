// SPDX-License-Identifier: Apache-2.0
// A region file, opened, checked and mapped for reading.
#pragma once

#include <cstdint>
#include <mutex>
#include <string>

#include "ipc/control_file.hpp"
#include "ipc/index_view.hpp"
#include "ipc/mapping.hpp"
#include "ipc/mapping_slots.hpp"
#include "ipc/os.hpp"
#include "ipc/store_files.hpp"

namespace strata::ipc {

/// Least memory of a region file, and of what it may grow to.
inline constexpr std::uint64_t min_region_bytes = 64 << 10;

RegionHeader make_region_header(const ControlIdentity& store, Dimension dimension,
                                std::uint64_t serial, std::uint64_t max_bytes);

/// Opens a region file of `store` and checks its header against what the control file says.
/// Throws not_trusted, corrupt, truncated, permission_denied, system.
FileDescriptor open_region(const StoreDirectory& store, const ControlIdentity& identity,
                           Dimension dimension, std::uint64_t serial, Access access,
                           const Trust& trust, std::string_view operation,
                           std::uint64_t& file_bytes, std::uint64_t& max_bytes);

/// A consumer's mapping of one region, made when the region is first touched. `index_of` is
/// thread-safe.
class RegionMapping {
public:
    RegionMapping(const StoreDirectory& store, const ControlIdentity& identity,
                  const DimensionRecord& record, const Trust& trust, std::string_view operation);

    std::uint64_t serial() const noexcept { return serial_; }
    /// The index that a record describes. Throws truncated if the file is shorter than it says.
    IndexView index_of(const DimensionRecord& record, std::string_view operation);

private:
    std::string path_;
    std::uint64_t known_bytes_ = 0;  // these two before file_: opening fills them in
    std::uint64_t max_bytes_ = 0;
    FileDescriptor file_;
    Mapping mapping_;
    MappingSlot slot_;
    std::uint64_t serial_;
    std::mutex mutex_;
};

}  // namespace strata::ipc
