// SPDX-License-Identifier: Apache-2.0
#include "ipc/files/control_file.hpp"

#include <cerrno>
#include <cstring>

#include "ipc/failure.hpp"
#include "ipc/format/checksum.hpp"
#include "ipc/index/find.hpp"

namespace strata::ipc {

namespace {

FileDescriptor open_checked(const StoreDirectory& store, const Trust& trust,
                            std::string_view operation, const std::string& path,
                            os::FileStatus& status) {
    auto file = os::open_read(store.directory.get(), control_file_name);
    if (!file) {
        if (file.error == ENOENT) {
            fail(Errc::not_a_store, operation, path, "the directory has no control file",
                 "it is no store, or half of one: remove it and let the producer create it");
        }
        if (file.error == ELOOP) {
            fail(Errc::not_trusted, operation, path, "is a symbolic link");
        }
        fail_errno(file.error, operation, path, "cannot open the control file",
                   file.error == EACCES ? "its owner and mode decide who may attach" : "");
    }
    status = trusted_status(file.value, trust, operation, path);
    return std::move(file.value);
}

// Another description of the file: by its name, as long as that leads to it, else through /proc.
os::Result<FileDescriptor> open_again(const StoreDirectory& store, const FileDescriptor& file,
                                      const os::FileStatus& status) {
    auto named = os::open_read(store.directory.get(), control_file_name);
    const auto found = named ? os::status(named.value.get()) : os::Result<os::FileStatus>{};
    if (named && found && found.value.inode == status.inode &&
        found.value.device == status.device) {
        return named;
    }
    // Removed a moment ago, or replaced by hand.
    return os::reopen_read(file.get());
}

std::string hex(std::uint64_t value) {
    char text[24];
    std::snprintf(text, sizeof(text), "0x%016llx", static_cast<unsigned long long>(value));
    return text;
}

}  // namespace

void check_identity(const ControlIdentity& identity, std::uint64_t file_bytes,
                    std::string_view operation, std::string_view path) {
    if (identity.magic != control_magic) {
        if (identity.magic == __builtin_bswap64(control_magic)) {
            fail(Errc::byte_order, operation, path, "written on a big-endian machine",
                 "stores are shared within one machine: create it here");
        }
        fail(Errc::not_a_store, operation, path,
             "magic " + hex(identity.magic) + ", expected " + hex(control_magic));
    }
    if (identity.byte_order != byte_order_mark) {
        fail(Errc::byte_order, operation, path,
             "byte order mark " + hex(identity.byte_order) + ", expected " + hex(byte_order_mark),
             "stores are shared within one machine: create it here");
    }
    if (identity.version != format_version) {
        const bool newer = identity.version > format_version;
        fail(Errc::format_version, operation, path,
             "format version " + std::to_string(identity.version) + ", this library reads " +
                 std::to_string(format_version),
             newer ? "rebuild this program with the strata version of the producer"
                   : "let a producer of this version create the store anew");
    }
    if (identity.checksum != record_checksum(identity)) {
        fail(Errc::corrupt, operation, path, "the checksum of its header is wrong",
             "remove the store and let the producer create it anew");
    }
    // The checksum can be right and the numbers still be nonsense: forged, or by another program.
    if (identity.header_bytes != control_header_bytes || identity.page_bytes != page_bytes ||
        identity.control_max_bytes < file_bytes || identity.control_max_bytes > max_control_bytes ||
        identity.region_max_bytes % page_bytes != 0 || identity.region_max_bytes < 2 * page_bytes ||
        identity.region_max_bytes > max_region_bytes) {
        fail(Errc::corrupt, operation, path,
             "sizes in its header are impossible: header " + std::to_string(identity.header_bytes) +
                 ", page " + std::to_string(identity.page_bytes) + ", control limit " +
                 std::to_string(identity.control_max_bytes) + ", region limit " +
                 std::to_string(identity.region_max_bytes) + ", file " +
                 std::to_string(file_bytes));
    }
}

ControlFile::ControlFile(const StoreDirectory& store, const Trust& trust,
                         std::string_view operation)
    : path_(store.file(control_file_name)) {
    file_ = open_checked(store, trust, operation, path_, status_);
    if (status_.size_bytes < control_header_bytes) {
        fail(Errc::truncated, operation, path_,
             "has " + std::to_string(status_.size_bytes) + " bytes, at least " +
                 std::to_string(control_header_bytes) + " are needed",
             "remove the store and let the producer create it anew");
    }
    // Mapped only after the header has said how far it may grow.
    if (const int error = os::read_at(file_.get(), &identity_, sizeof(identity_), 0)) {
        fail_errno(error, operation, path_, "cannot read its header");
    }
    check_identity(identity_, status_.size_bytes, operation, path_);
    mapping_ = GrowingMapping(identity_.control_max_bytes);
    mapping_.extend(file_, status_.size_bytes, operation, path_);
    header_ = mapping_.window().base;
    // Locks hang on a description of their own: a mapping keeps the description that it was made
    // from alive, and forked children inherit mappings, so that the locks of a parent that was
    // killed would live on in them.
    auto again = open_again(store, file_, status_);
    if (!again) {
        fail_errno(again.error, operation, path_, "cannot open the control file a second time");
    }
    file_ = std::move(again.value);
}

FileDescriptor ControlFile::another_description(const StoreDirectory& store) const {
    return open_again(store, file_, status_).value;
}

bool ControlFile::reach(std::uint64_t bytes, std::string_view operation) const {
    if (bytes <= mapping_.readable_bytes()) {
        return true;
    }
    const auto now = os::status(file_.get());
    if (!now) {
        fail_errno(now.error, operation, path_, "cannot read its status");
    }
    if (now.value.size_bytes < bytes || bytes > identity_.control_max_bytes) {
        return false;
    }
    if (mapping_.reaches(now.value.size_bytes)) {
        mapping_.extend_in_place(now.value.size_bytes);
        return true;
    }
    // From another description, as at first: see the constructor. If there is none to be had, from
    // the one with the locks rather than not at all.
    const auto again = os::reopen_read(file_.get());
    mapping_.extend(again ? again.value : file_, now.value.size_bytes, operation, path_);
    return true;
}

RootRecord ControlFile::root_at(std::uint64_t offset, std::string_view operation) const {
    if (offset % block_unit != 0 || offset < control_header_bytes ||
        offset >= identity_.control_max_bytes || !reach(offset + sizeof(RootRecord), operation)) {
        fail(Errc::corrupt, operation, path_,
             "root record at offset " + std::to_string(offset) + ", the file has " +
                 std::to_string(mapping_.readable_bytes()) + " bytes");
    }
    RootRecord root;
    std::memcpy(&root, mapping_.window().base + offset, sizeof(root));
    if (root.checksum != record_checksum(root) || root.generation == 0) {
        fail(Errc::corrupt, operation, path_,
             "the checksum of the root record at offset " + std::to_string(offset) + " is wrong");
    }
    if (root.directory_levels > max_index_levels || root.control_bytes < control_header_bytes ||
        root.dimensions > root.control_bytes / block_unit) {
        fail(Errc::corrupt, operation, path_,
             "root record of generation " + std::to_string(root.generation) +
                 " has impossible sizes: " + std::to_string(root.directory_levels) + " levels, " +
                 std::to_string(root.control_bytes) + " bytes");
    }
    if (!reach(root.control_bytes, operation)) {
        fail(Errc::truncated, operation, path_,
             "generation " + std::to_string(root.generation) + " needs " +
                 std::to_string(root.control_bytes) + " bytes, the file is shorter");
    }
    return root;
}

IndexView ControlFile::directory_of(const RootRecord& root) const noexcept {
    return {.base = mapping_.window().base,
            .limit = root.control_bytes,
            .root = root.directory,
            .levels = root.directory_levels,
            .slot = 0,
            .layers = root.dimensions};
}

std::optional<DimensionRecord> ControlFile::dimension_at(const IndexView& directory,
                                                         Dimension dimension,
                                                         std::string_view operation) const {
    unsigned shift = 0;
    const FoundEntry entry = walk(directory, dimension, shift);
    if (entry.end == WalkEnd::absent) {
        return std::nullopt;
    }
    if (entry.end == WalkEnd::corrupt) {
        fail(Errc::corrupt, operation, path_, "the directory of dimensions is damaged");
    }
    const DimensionRecord record = record_at(directory, entry.word, operation);
    if (record.dimension != dimension) {
        if (shift == 0) {
            fail(Errc::corrupt, operation, path_,
                 "the directory entry of dimension " + std::to_string(dimension) +
                     " names dimension " + std::to_string(record.dimension));
        }
        return std::nullopt;
    }
    return record;
}

DimensionRecord ControlFile::record_at(const IndexView& directory, std::uint64_t entry,
                                       std::string_view operation) const {
    const std::uint64_t offset = entry_offset(entry);
    // Safe: limit is at least a page.
    if (offset < control_header_bytes || offset > directory.limit - sizeof(DimensionRecord)) {
        fail(Errc::corrupt, operation, path_,
             "dimension record at offset " + std::to_string(offset) + ", committed are " +
                 std::to_string(directory.limit) + " bytes");
    }
    DimensionRecord record;
    std::memcpy(&record, directory.base + offset, sizeof(record));
    if (record.checksum != record_checksum(record) || record.dimension > 0xFFFF'FFFF ||
        record.name_bytes > max_dimension_name_bytes || record.index_levels > max_index_levels ||
        record.committed_bytes() < header_bytes ||
        record.committed_bytes() > identity_.region_max_bytes ||
        record.layers > record.committed_bytes() / block_unit) {
        fail(Errc::corrupt, operation, path_,
             "the dimension record at offset " + std::to_string(offset) + " is damaged");
    }
    return record;
}

}  // namespace strata::ipc
