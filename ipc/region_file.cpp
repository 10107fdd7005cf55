// SPDX-License-Identifier: Apache-2.0
#include "ipc/region_file.hpp"

#include <algorithm>
#include <cerrno>

#include "ipc/checksum.hpp"
#include "ipc/failure.hpp"

namespace strata::ipc {

RegionHeader make_region_header(const ControlIdentity& store, Dimension dimension,
                                std::uint64_t serial, std::uint64_t max_bytes) {
    RegionHeader header{};
    header.magic = region_magic;
    header.version = format_version;
    header.byte_order = byte_order_mark;
    header.store_id[0] = store.store_id[0];
    header.store_id[1] = store.store_id[1];
    header.serial = serial;
    header.dimension = dimension;
    header.max_bytes = max_bytes;
    header.created_at_ns = os::realtime_ns();
    header.checksum = record_checksum(header);
    return header;
}

FileDescriptor open_region(const StoreDirectory& store, const ControlIdentity& identity,
                           Dimension dimension, std::uint64_t serial, Access access,
                           const Trust& trust, std::string_view operation,
                           std::uint64_t& file_bytes, std::uint64_t& max_bytes) {
    const std::string name = region_file_name(dimension, serial);
    const std::string path = store.file(name);
    auto file = access == Access::read_only ? os::open_read(store.directory.get(), name)
                                            : os::open_write(store.directory.get(), name);
    if (!file) {
        if (file.error == ENOENT) {
            fail(Errc::corrupt, operation, path, "the region file is missing",
                 "somebody removed it: publish the dimension anew");
        }
        if (file.error == ELOOP) {
            fail(Errc::not_trusted, operation, path, "is a symbolic link");
        }
        fail_errno(
            file.error, operation, path, "cannot open the region",
            file.error == EACCES ? "its mode and group decide who may read this dimension" : "");
    }
    const auto status = os::status(file.value.get());
    if (!status) {
        fail_errno(status.error, operation, path, "cannot read its status");
    }
    check_trust(status.value, false, trust, operation, path);
    file_bytes = status.value.size_bytes;
    if (file_bytes < header_bytes) {
        fail(Errc::truncated, operation, path,
             "has " + std::to_string(file_bytes) + " bytes, at least " +
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
        header.serial != serial || header.dimension != dimension ||
        header.max_bytes > identity.region_max_bytes || header.max_bytes < min_region_bytes ||
        header.max_bytes % page_bytes != 0) {
        fail(Errc::corrupt, operation, path, "its header belongs to another store or dimension");
    }
    max_bytes = header.max_bytes;
    return std::move(file.value);
}

RegionMapping::RegionMapping(const StoreDirectory& store, const ControlIdentity& identity,
                             const DimensionRecord& record, const Trust& trust,
                             std::string_view operation)
    : path_(store.file(region_file_name(static_cast<Dimension>(record.dimension), record.serial))),
      file_(open_region(store, identity, static_cast<Dimension>(record.dimension), record.serial,
                        Access::read_only, trust, operation, known_bytes_, max_bytes_)),
      mapping_(file_.get(), max_bytes_, Access::read_only, operation, path_),
      slot_(mapping_.base() + std::min(known_bytes_, mapping_.reserved_bytes())),
      serial_(record.serial) {}

IndexView RegionMapping::index_of(const DimensionRecord& record, std::string_view operation) {
    const std::lock_guard lock(mutex_);
    if (record.committed_bytes > max_bytes_) {
        fail(Errc::corrupt, operation, path_,
             "generation " + std::to_string(record.generation) + " claims " +
                 std::to_string(record.committed_bytes) + " bytes, the region may have " +
                 std::to_string(max_bytes_));
    }
    if (record.committed_bytes > known_bytes_) {
        const auto status = os::status(file_.get());
        if (!status || status.value.size_bytes < record.committed_bytes) {
            fail(Errc::truncated, operation, path_,
                 "generation " + std::to_string(record.generation) + " needs " +
                     std::to_string(record.committed_bytes) + " bytes, the file has " +
                     std::to_string(status.value.size_bytes));
        }
        // Never beyond the mapping, whatever the file's size: committed_bytes was checked before.
        known_bytes_ = std::min(status.value.size_bytes, mapping_.reserved_bytes());
        slot_.set_end(mapping_.base() + known_bytes_);
    }
    return {.base = mapping_.base(),
            .limit = record.committed_bytes,
            .root = record.index,
            .levels = record.index_levels,
            .slot = slot_.number(),
            .layers = record.layers};
}

}  // namespace strata::ipc
