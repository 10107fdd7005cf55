// SPDX-License-Identifier: Apache-2.0
#include "ipc/files/region_file.hpp"

#include <algorithm>
#include <cerrno>

#include "ipc/failure.hpp"
#include "ipc/format/checksum.hpp"

namespace strata::ipc {

RegionHeader make_region_header(const ControlIdentity& store, std::optional<Dimension> owner,
                                std::uint64_t serial, std::uint64_t max_bytes) {
    RegionHeader header{};
    header.magic = region_magic;
    header.version = format_version;
    header.byte_order = byte_order_mark;
    header.store_id[0] = store.store_id[0];
    header.store_id[1] = store.store_id[1];
    header.serial = serial;
    header.dimension = owner.value_or(0);
    header.shared = owner ? 0 : 1;
    header.max_bytes = max_bytes;
    header.created_at_ns = os::realtime_ns();
    header.checksum = record_checksum(header);
    return header;
}

OpenedRegion open_region(const StoreDirectory& store, const ControlIdentity& identity,
                         std::uint64_t serial, Access access, const Trust& trust,
                         std::string_view operation) {
    const std::string name = region_file_name(serial);
    const std::string path = store.file(name);
    auto file = access == Access::read_only ? os::open_read(store.directory.get(), name)
                                            : os::open_write(store.directory.get(), name);
    if (!file) {
        if (file.error == ENOENT) {
            fail(Errc::corrupt, operation, path, "the region file is missing",
                 "somebody removed it: publish its dimensions anew");
        }
        if (file.error == ELOOP) {
            fail(Errc::not_trusted, operation, path, "is a symbolic link");
        }
        fail_errno(
            file.error, operation, path, "cannot open the region",
            file.error == EACCES ? "its mode and group decide who may read what lies in it" : "");
    }
    const os::FileStatus status = trusted_status(file.value, trust, operation, path);
    if (status.size_bytes < header_bytes) {
        fail(Errc::truncated, operation, path,
             "has " + std::to_string(status.size_bytes) + " bytes, at least " +
                 std::to_string(header_bytes) + " are needed");
    }
    RegionHeader header;
    if (const int error = os::read_at(file.value.get(), &header, sizeof(header), 0)) {
        fail_errno(error, operation, path, "cannot read its header");
    }
    if (header.magic != region_magic || header.checksum != record_checksum(header) ||
        header.version != format_version || header.byte_order != byte_order_mark) {
        fail(Errc::corrupt, operation, path, "its header is damaged");
    }
    if (header.store_id[0] != identity.store_id[0] || header.store_id[1] != identity.store_id[1] ||
        header.serial != serial || header.shared > 1 ||
        header.max_bytes > identity.region_max_bytes || header.max_bytes < min_region_bytes ||
        header.max_bytes % page_bytes != 0) {
        fail(Errc::corrupt, operation, path, "its header belongs to another store or region");
    }
    return {.file = std::move(file.value),
            .status = status,
            .max_bytes = header.max_bytes,
            .owner = header.shared != 0 ? std::nullopt : std::optional(header.dimension)};
}

void check_owner(std::optional<Dimension> owner, const DimensionRecord& record,
                 std::string_view operation, std::string_view path) {
    if (owner && *owner != record.dimension) {
        fail(Errc::corrupt, operation, path,
             "the region belongs to dimension " + std::to_string(*owner) +
                 ", the record of dimension " + std::to_string(record.dimension) + " names it");
    }
}

RegionMapping::RegionMapping(const StoreDirectory& store, const ControlIdentity& identity,
                             const DimensionRecord& record, const Trust& trust,
                             std::string_view operation)
    : store_(store),
      identity_(identity),
      trust_(trust),
      serial_(record.serial),
      name_(region_file_name(serial_)),
      path_(store.file(name_)) {
    const OpenedRegion region = open(operation);
    owner_ = region.owner;
    mapping_ = GrowingMapping(region.max_bytes);
    mapping_.extend(region.file, region.status.size_bytes, operation, path_);
}

OpenedRegion RegionMapping::open(std::string_view operation) const {
    return open_region(store_, identity_, serial_, Access::read_only, trust_, operation);
}

// The file has grown since the last check. It is the same one: no name of a region file is used
// twice, and its header names store and serial.
void RegionMapping::extend(const DimensionRecord& record, std::string_view operation) {
    if (mapping_.reaches(record.committed_bytes())) {
        const auto status = os::status_at(store_.directory.get(), name_);
        if (status && status.value.size_bytes >= record.committed_bytes()) {
            mapping_.extend_in_place(status.value.size_bytes);
            return;
        }
    }
    const OpenedRegion region = open(operation);
    const std::uint64_t file_bytes = region.status.size_bytes;
    if (file_bytes < record.committed_bytes()) {
        fail(Errc::truncated, operation, path_,
             "generation " + std::to_string(record.generation) + " needs " +
                 std::to_string(record.committed_bytes()) + " bytes, the file has " +
                 std::to_string(file_bytes));
    }
    mapping_.extend(region.file, file_bytes, operation, path_);
}

IndexView RegionMapping::index_of(const DimensionRecord& record, std::string_view operation) {
    check_owner(owner_, record, operation, path_);
    if (record.committed_bytes() > mapping_.max_bytes()) {
        fail(Errc::corrupt, operation, path_,
             "generation " + std::to_string(record.generation) + " claims " +
                 std::to_string(record.committed_bytes()) + " bytes, the region may have " +
                 std::to_string(mapping_.max_bytes()));
    }
    if (record.committed_bytes() > mapping_.readable_bytes()) {
        extend(record, operation);
    }
    return {.base = mapping_.window().base,
            .limit = record.committed_bytes(),
            .root = record.index,
            .levels = record.index_levels,
            .slot = mapping_.window().slot,
            .layers = record.layers};
}

}  // namespace strata::ipc
